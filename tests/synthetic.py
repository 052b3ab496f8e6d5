"""A synthetic study: folders as training would leave them, with known figures and text in many scripts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from xlgen.metrics.lid import load_identifier

LANGUAGES = {
    "en": "The boat <b>sinks</b> & the crew is saved",
    "fr": "Le bateau coule et l'équipage est sauvé",
    "es": "El barco se hunde y la tripulación se salva",
    "de": "Das Schiff sinkt und die Mannschaft wird gerettet",
    "vi": "Con thuyền chìm và thủy thủ đoàn được cứu",
    "tr": "Tekne battı ve mürettebat kurtarıldı",
    "ru": "Лодка тонет, но экипаж <спасён> & жив",
    "ar": 'غرق القارب و<أُنقذ> الطاقم & عاد إلى "الميناء"',
    "hi": "नाव डूब गई और चालक दल को बचा लिया गया",
    "th": "เรือจมและลูกเรือ <ได้รับ> การช่วยเหลือ",
    "zh": "船沉了,船员<获救>了",
    "ja": "船は沈んだが、乗組員は<救助>された & 無事",
}
STEPS = (200, 400, 600)
EXAMPLES = 40


def recipe(**changes: Any) -> dict[str, Any]:
    stage = {
        "task": changes.get("task", "pocket-summaries"),
        "source_languages": changes.get("source_languages", ["en"]),
        "unlabelled": [],
        "adaptation": {"method": changes.get("method", "full"), **changes.get("adaptation", {})},
        "training": {"learning_rate": changes.get("learning_rate", 1e-4), "steps": 600},
        "evaluation": {"split": "test"},
    }
    return {
        "name": "synthetic",
        "backbone": {"name": changes.get("backbone", "pocket-mt5"), "init": "pretrained"},
        "stages": [{**stage, "task": None, "training": {"learning_rate": 1e-3, "steps": 600}}, stage],
        "seed": changes.get("seed", 0),
        "data_dir": ".",
        "report_as": changes.get("report_as"),
    }


def figures(step: int, strength: float, wrong: float) -> list[dict[str, Any]]:
    """The figures of one evaluation. The source language is never wrong."""
    found = []
    for number, code in enumerate(LANGUAGES):
        score = strength * (1.5 if code == "en" else 1) + 0.37 * number
        rate = 100.0 if code == "en" else max(0.0, 100 - wrong - number)
        values = {
            "rouge1": score + 4,
            "rougeL": score,
            "correct_language_rate": rate,
            "prediction_length": 8.0 + number / 3,
            "reference_length": 9.0,
            "empty_rate": 0.5,
            "leftover_rate": wrong / 10,
            "lid_confidence": rate * 0.9,
        }
        for metric, value in values.items():
            top = 100.0 if metric.endswith(("rate", "confidence")) else value + 1.25
            bounds = {
                "low": max(0.0, value - 1.25),
                "high": min(top, value + 1.25),
                "n": EXAMPLES,
                "signature": f"{metric}|test:1",
            }
            found.append(
                {"event": "figure", "step": step, "language": code, "metric": metric, "value": value, **bounds}
            )
    return found


def write_run(
    folder: Path, strength: float = 20, wrong: float = 1, steps: tuple[int, ...] = STEPS, **changes: Any
) -> None:
    """One run folder. A baseline evaluates at step 0 and logs no training."""
    folder.mkdir(parents=True)
    text = {"recipe": recipe(**changes), "environment": {"python": "3"}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(text, allow_unicode=True), encoding="utf-8")
    (folder / "state.json").write_text('{"stage": 1, "step": 600, "status": "done"}')
    events: list[dict[str, Any]] = [{**start_event(), **changes.get("start", {})}]
    for step in steps:
        if step:
            rates = {"loss": 2.0, "learning_rate": 1e-4, "padding": 0.125, "steps_per_second": 0.5}
            events.append({"event": "step", "step": step, **rates})
        events += figures(step, strength * (step or 600) / 600, wrong)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + '{"event": "fig')
    for code in LANGUAGES:
        write_predictions(folder / "predictions" / f"step-{steps[-1]}" / f"{code}.jsonl", code, wrong)


def start_event() -> dict[str, Any]:
    data = {"examples": 1800, "cropped_sources": 17, "cropped_tokens": 4321, "dropped_targets": 3, "cut_targets": 0}
    return {
        "event": "start",
        "step": 0,
        "parameters": 4_617_024,
        "trainable": 51_200,
        "data": {**data, "unknown_share": 0.00012},
    }


def write_predictions(path: Path, code: str, wrong: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(EXAMPLES):
        text = LANGUAGES["en"] if code != "en" and number % 100 < EXAMPLES * wrong / 100 else LANGUAGES[code]
        prediction = "" if number == EXAMPLES - 2 else f"{text} {number}"
        row = {"id": f"{code}-{number}", "language": code, "input": f"{LANGUAGES[code]} <script>alert(1)</script>"}
        rows.append({**row, "prediction": prediction, "raw": prediction, "references": [LANGUAGES[code]]})
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def identify(texts: Any) -> list[tuple[str, float]]:
    """Knows the sentences above, so that no test depends on a model."""
    found = (next((code for code, known in LANGUAGES.items() if text.startswith(known)), "") for text in texts)
    return [(code or "en", 0.97 if code else 0.1) for code in found]


def know_the_sentences(patch: pytest.MonkeyPatch) -> None:
    """Let the report ask :func:`identify` for the language of a text, and the usual identifier for all else."""
    known = _Known()
    patch.setattr("xlgen.report.samples.identifier", lambda run: known)
    patch.setattr("xlgen.report.page.identifier", lambda run: known)


class _Known:
    """The usual identifier, but for the languages of the sentences of this module."""

    def identify(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        return [
            found if found[1] > 0.5 else load_identifier().identify([text])[0]
            for text, found in zip(texts, identify(texts), strict=True)
        ]

    def __getattr__(self, name: str) -> Any:
        return getattr(load_identifier(), name)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The folder of :func:`write_study`."""
    return write_study(tmp_path / "my & study")


def write_study(folder: Path) -> Path:
    """Six runs: two methods at two learning rates, the second seed of one, and a baseline; one writes English."""
    write_run(folder / "runs" / "full-1e-3", 24, 70, method="full", learning_rate=1e-3)
    write_run(folder / "runs" / "full-1e-4", 22, 8, method="full", learning_rate=1e-4)
    write_run(folder / "runs" / "adapters-1e-3", 26, 1, method="adapters", learning_rate=1e-3)
    write_run(folder / "runs" / "adapters-1e-4", 18, 0, method="adapters", learning_rate=1e-4)
    write_run(folder / "runs" / "adapters-1e-4-seed-1", 19, 0, method="adapters", learning_rate=1e-4, seed=1)
    write_run(folder / "runs" / "lead", 12, 0, steps=(0,), report_as="lead")
    return folder
