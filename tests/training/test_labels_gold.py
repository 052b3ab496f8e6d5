"""The scores of runs with labels equal those of seqeval, also on gold files that are read independently."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from seqeval import metrics as seqeval

from xlgen.core.config import Recipe, validate
from xlgen.training.run import train

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SENTENCES = 8
"""Of each language."""
Scored = tuple[dict[str, dict[str, float]], dict[str, list[list[str]]]]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # seqeval's, of nothing to divide by


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str, str], Scored]:
    """The scores (by language and metric) and the predicted tags (by language) of a run of two steps."""

    def trained(task: str, backbone: str) -> Scored:
        for folder in ("ud_english_ewt", "ud_pud", "wikineural"):
            if not (DATA / folder).is_dir():
                pytest.skip(f"real text is absent: {DATA / folder}")
        recipe = {
            "name": "r",
            "backbone": {"name": backbone, "unknown_languages": "allow"},
            "data_dir": str(DATA),
            "stages": [
                {
                    "task": task,
                    "training": {"steps": 2, "max_examples": 4, "train_examples": 8, "warmup_steps": 0},
                    "evaluation": {"every": None, "split": "test", "examples": SENTENCES, "bootstrap": 0},
                }
            ],
        }
        out = tmp_path / task
        train(validate(Recipe, recipe, "here"), out)
        figures: dict[str, dict[str, float]] = {}
        for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
            row: dict[str, Any] = json.loads(line)
            if row["event"] == "figure":
                figures.setdefault(row["language"], {})[row["metric"]] = row["value"]
        predicted_tags = {}
        for path in (out / "predictions" / "step-2").iterdir():
            rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
            predicted_tags[path.stem] = [row["prediction"].split() for row in rows]
        return figures, predicted_tags

    return trained


def blocks(path: Path) -> list[list[list[str]]]:
    """Sentences of a file, each a list of lines' columns, comments left out."""
    parts = path.read_text(encoding="utf-8").strip().split("\n\n")
    lines = [[line.split("\t") for line in part.split("\n") if not line.startswith("# ")] for part in parts]
    return [found for found in lines if found]


# Their vocabularies are of the pocket world, which has no Korean and no Indonesian, nor has pocket-nllb codes for them.
@pytest.mark.exhaustive
@pytest.mark.parametrize("backbone", ["pocket-mt5", "pocket-nllb"])
def test_accuracy_is_that_of_the_words_in_the_gold_files(run: Callable[[str, str], Scored], backbone: str) -> None:
    """Syntactic words alone count: rows of multiword tokens and of empty nodes have ids that are no number."""
    figures, predicted_tags = run("pos-pud", backbone)
    assert len(predicted_tags) == 13
    left_out = 0
    for code, predicted in predicted_tags.items():
        gold = blocks(DATA / "ud_pud" / f"{code}_pud-ud-test.conllu")[:SENTENCES]
        left_out += sum(not row[0].isdigit() for rows in gold for row in rows)
        wanted = [[row[3] for row in rows if row[0].isdigit()] for rows in gold]
        assert [len(tags) for tags in predicted] == [len(tags) for tags in wanted]
        pairs = [
            pair for mine, theirs in zip(predicted, wanted, strict=True) for pair in zip(mine, theirs, strict=True)
        ]
        right = sum(mine == theirs for mine, theirs in pairs)
        assert figures[code]["word_accuracy"] == pytest.approx(100 * right / len(pairs))
    assert left_out > 20


@pytest.mark.exhaustive
def test_f1_is_seqevals_of_the_gold_files(run: Callable[[str, str], Scored]) -> None:
    figures, predicted_tags = run("ner-wikineural", "pocket-mbart")
    assert len(predicted_tags) == 9
    assert sum(figures[code]["span_f1"] for code in predicted_tags) > 0
    for code, predicted in predicted_tags.items():
        wanted = [[row[-1] for row in rows] for rows in blocks(DATA / "wikineural" / f"{code}.test.tsv")[:SENTENCES]]
        scores = {
            "span_f1": seqeval.f1_score(wanted, predicted),
            "span_precision": seqeval.precision_score(wanted, predicted),
            "span_recall": seqeval.recall_score(wanted, predicted),
            "word_accuracy": seqeval.accuracy_score(wanted, predicted),
        }
        assert figures[code] == pytest.approx({name: 100 * value for name, value in scores.items()})
