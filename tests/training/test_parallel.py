"""XLRS on parallel texts while training: an encoder pass of its own gives it, and it changes nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

from xlgen.adaptation.base import methods
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.core.config import ParallelText, Recipe
from xlgen.core.registry import InputError
from xlgen.data.readers import DataError
from xlgen.evaluation.xlrs_tracking import read_parallel
from xlgen.training.run import train

DATA = Path(__file__).parents[3] / "shared" / "data"
NTREX = {"en": "eng", "th": "tha", "ar": "arb", "hi": "hin", "zh": "zho-CN", "ja": "jpn", "ru": "rus"}
CORPUS = {"reader": "lines", "path": "ntrex128/{language}.txt", "codes": NTREX}


@pytest.mark.exhaustive
@pytest.mark.skipif(not (DATA / "ntrex128").is_dir(), reason=f"no NTREX-128 text in {DATA}")
def test_it_is_the_cosine_of_the_library_s_own_encoder() -> None:
    """On real text in seven scripts, each sentence encoded alone, by a model that nothing has made faster."""
    backbone = loading.load("pocket-mt5", languages=tuple(NTREX), allow_unknown=True)
    method = methods.build({"method": "full"})
    method.prepare(backbone)
    config = ParallelText(corpus=CORPUS, sentences=24, max_tokens=1_000)
    texts = read_parallel(config, backbone, tuple(NTREX), "en", DATA)
    found = texts.measure(backbone, method, "fp32", 0)
    assert set(found) == set(NTREX) - {"en"}
    encoder = AutoModelForSeq2SeqLM.from_pretrained(loading.embedded()["pocket-mt5"], dtype=torch.float32)
    encoder = encoder.get_encoder().eval()

    def alone(code: str, line: str) -> Any:
        ids = backbone.source(backbone.tokenize(line), code)
        with torch.inference_mode():
            return encoder(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0)

    lines = {
        code: (DATA / f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")[:24]
        for code, name in NTREX.items()
    }
    english = [alone("en", line) for line in lines["en"]]
    for code, row in found.items():
        cosines = [
            torch.cosine_similarity(alone(code, line), e, dim=0) for line, e in zip(lines[code], english, strict=True)
        ]
        assert row.metric == "xlrs" and row.n == 24
        assert row.value == pytest.approx(float(sum(cosines)) / 24, abs=1e-5)


def test_a_prompt_before_the_text_is_no_part_of_it(any_backbone: Backbone) -> None:
    method = methods.build({"method": "prompt", "num_virtual_tokens": 3})
    method.prepare(any_backbone)
    texts = read_parallel(ParallelText(sentences=3), any_backbone, ("th", "ar"), "en", Path())
    one_by_one = {code: texts.inputs[code][0] for code in texts.inputs}
    states = {}
    for code, example in one_by_one.items():
        ids = torch.tensor([example.source])
        with torch.inference_mode():
            whole = any_backbone.model.eval().get_encoder()(input_ids=ids, attention_mask=torch.ones_like(ids))
        assert whole.last_hidden_state.shape[1] == ids.shape[1] + 3
        states[code] = whole.last_hidden_state[0, 3:].mean(0)
    short = read_parallel(ParallelText(sentences=1), any_backbone, ("th", "ar"), "en", Path())
    found = short.measure(any_backbone, method, "fp32", 0)
    for code in ("th", "ar"):
        assert found[code].value == pytest.approx(
            float(torch.cosine_similarity(states[code], states["en"], dim=0)), abs=1e-4
        )


@pytest.mark.exhaustive
def test_tracking_changes_no_other_figure(
    checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    def run(name: str, **evaluation: Any) -> list[dict[str, Any]]:
        train(
            Recipe.model_validate(
                {
                    "name": "tiny",
                    "backbone": str(checkpoint("mt5")),
                    "task": tiny_task(["en", "th", "ar"], size=8),
                    "training": {"steps": 4, "warmup_steps": 0, "batch_tokens": 300, "dropout": 0.1},
                    "evaluation": {
                        "every": 2, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4, **evaluation
                    },
                }
            ),
            tmp_path / name,
        )  # fmt: skip
        lines = (tmp_path / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        drop = ("time", "steps_per_second", "seconds")
        return [{k: v for k, v in json.loads(line).items() if k not in drop} for line in lines]

    def is_xlrs(event: dict[str, Any]) -> bool:
        return event["event"] == "xlrs" or event.get("metric") == "xlrs"

    tracked, plain = run("tracked", xlrs={"sentences": 5, "languages": ["th", "hi"]}), run("plain")
    key = str  # here the scores are logged in another order
    assert sorted((e for e in tracked if not is_xlrs(e)), key=key) == sorted(
        (e for e in plain if not is_xlrs(e)), key=key
    )
    found = [event for event in tracked if event.get("metric") == "xlrs"]
    assert {(event["step"], event["language"], event["n"]) for event in found} == {
        (step, code, 5) for step in (2, 4) for code in ("th", "hi")
    }
    assert all(-1 <= event["value"] <= 1 for event in found)
    assert [(event["step"], event["texts"]) for event in tracked if event["event"] == "xlrs"] == [(2, 5), (4, 5)]


def _corpus(folder: Path, **lines: list[str]) -> ParallelText:
    for code, texts in lines.items():
        (folder / f"{code}.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return ParallelText(corpus={"reader": "lines", "path": "{language}.txt"})


@pytest.fixture
def tiny(backbone_of: Callable[[str], Backbone]) -> Backbone:
    return backbone_of("mt5")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"en": ["a", "b", "c"], "th": ["ก", "ข"]}, "texts of en and th are not parallel: '3' is in en only"),
        ({"en": ["a", "b"], "th": ["ก", "", "ข"]}, "texts of en and th are not parallel: '2' is in en only"),
        ({"en": ["a"], "th": [""]}, "no text for language th"),
    ],
)
def test_texts_that_are_not_parallel_are_refused(
    tiny: Backbone, tmp_path: Path, lines: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_parallel(_corpus(tmp_path, **lines), tiny, ("th",), "en", tmp_path)


def test_a_language_the_backbone_does_not_know(tmp_path: Path) -> None:
    config = _corpus(tmp_path, en=["a"], sw=["b"])
    for name, allowed in (("pocket-mt5", True), ("pocket-mbart", False)):
        backbone = loading.load(name)
        with pytest.raises(BackboneError, match="does not know Swahili"):
            read_parallel(config, backbone, ("sw",), "en", tmp_path)
        if allowed:
            assert set(read_parallel(config, backbone, ("sw",), "en", tmp_path, True).inputs) == {"en", "sw"}
        else:
            with pytest.raises(BackboneError, match="does not know Swahili"):
                read_parallel(config, backbone, ("sw",), "en", tmp_path, True)


def test_an_empty_text_and_a_missing_file_are_refused(tiny: Backbone, tmp_path: Path) -> None:
    rows = [{"id": "1", "text": "a"}, {"id": "1", "text": "b"}, {"id": "2", "text": " "}]
    config = ParallelText(corpus={"reader": "jsonl", "path": "{language}.jsonl"})
    for taken, message in (
        (rows[:2], "line 2: a second text with the id '1'"),
        (rows[2:], "line 1: field 'text' must"),
    ):
        (tmp_path / "en.jsonl").write_text("\n".join(map(json.dumps, taken)), encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_parallel(config, tiny, ("th",), "en", tmp_path)
    with pytest.raises(InputError, match=r"en\.txt"):
        read_parallel(ParallelText(corpus={"reader": "lines", "path": "{language}.txt"}), tiny, (), "en", tmp_path)
