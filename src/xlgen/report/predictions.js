// Filters for the predictions. Without scripts, the form stays hidden and all predictions are shown.
"use strict";
for (const section of document.querySelectorAll(".predictions")) {
  const form = section.querySelector("form");
  const status = form.querySelector("[role=status]");
  const groups = [...section.querySelectorAll("details")];
  const items = groups.flatMap((group) => [...group.querySelectorAll("li")].map((element) => ({
    element,
    group,
    run: group.dataset.run,
    language: group.dataset.language,
    faults: element.dataset.faults.split(" ").filter(Boolean),
    text: "",
  })));

  const has = {
    run: (item, value) => item.run === value,
    language: (item, value) => item.language === value,
    fault: (item, value) =>
      value === "any" ? item.faults.length > 0 : value === "none" ? !item.faults.length : item.faults.includes(value),
    text: (item, value) => {
      item.text = item.text || item.element.textContent.normalize().toLowerCase();
      return item.text.includes(value.normalize().toLowerCase());
    },
  };
  const fits = (item, wanted) => Object.entries(wanted).every(([name, value]) => !value || has[name](item, value));

  // The number of predictions for each option, with the other filters unchanged.
  const count = (wanted) => {
    for (const select of form.querySelectorAll("select")) {
      const left = items.filter((item) => fits(item, { ...wanted, [select.name]: "" }));
      for (const option of select.options) {
        const found = left.filter((item) => !option.value || has[select.name](item, option.value)).length;
        option.textContent = `${option.dataset.name} (${found})`;
      }
    }
  };

  const update = () => {
    const wanted = Object.fromEntries(new FormData(form));
    const filtered = Object.values(wanted).some(Boolean);
    const shown = new Map(groups.map((group) => [group, 0]));
    let total = 0;
    for (const item of items) {
      const here = fits(item, wanted);
      item.element.hidden = !here;
      shown.set(item.group, shown.get(item.group) + here);
      total += here;
    }
    for (const [group, number] of shown) {
      group.hidden = number === 0;
      group.open = filtered && number > 0;
      group.querySelector(".shown").textContent = filtered ? ` – ${number} shown` : "";
    }
    for (const run of section.querySelectorAll(".run")) run.hidden = !run.querySelector("details:not([hidden])");
    status.textContent = `${total} of ${items.length} predictions`;
    count(wanted);
  };

  form.hidden = false;
  form.addEventListener("input", update);
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
}
