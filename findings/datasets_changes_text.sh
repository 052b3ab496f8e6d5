#!/usr/bin/env bash
# Text fields of JSON Lines and CSV files, read with datasets.load_dataset.
#
# One expects: {"text": "2020-01-01"} in JSON is a string, because JSON says so; a CSV column of answers is text or, at
# worst, numbers that print as they were written.
# What happens: a JSON column whose strings all look like dates becomes timestamps. In CSV "007" becomes 7, "1e5" becomes
# 100000.0, and "NA" and empty fields become None.
# Why it matters here: answers, labels and ids are exactly such fields. References change, an id no longer pairs with the
# id of another language, and "NA" (an answer, or Namibia) is gone. xlgen reads CSV and JSON of hub data sets itself
# (data/readers/hub_text.py).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0 pandas==3.1.1 pyarrow==26.0.1
HF_HOME="$folder/home" "$folder/venv/bin/python" - "$folder" 2> "$folder/stderr" <<'PY' || { cat "$folder/stderr"; exit 1; }
import datetime, json, pathlib, sys
import datasets, pandas, pyarrow
from datasets import load_dataset

datasets.disable_progress_bars()
print("datasets", datasets.__version__, "pandas", pandas.__version__, "pyarrow", pyarrow.__version__)
folder = pathlib.Path(sys.argv[1])
rows = [{"text": "2020-01-01"}, {"text": "1999-12-31"}]
(folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
found = [row["text"] for row in load_dataset("json", data_files=str(folder / "rows.jsonl"), split="train")]
print("JSON Lines:", [row["text"] for row in rows], "->", found)
assert all(isinstance(value, datetime.datetime) for value in found)
seen = {}
for name, values in {"zeros": ["007", "010"], "exponent": ["1e5", "2e3"], "country": ["NA", "DE"], "empty": ["", "x"]}.items():
    (folder / f"{name}.csv").write_text("text,n\n" + "".join(f"{value},a\n" for value in values))
    seen[name] = [row["text"] for row in load_dataset("csv", data_files=str(folder / f"{name}.csv"), split="train")]
    print("CSV:", values, "->", seen[name])
assert seen == {"zeros": [7, 10], "exponent": [100000.0, 2000.0], "country": [None, "DE"], "empty": [None, "x"]}
print("as seen before")
PY
