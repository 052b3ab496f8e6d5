"""`xlgen analyze prompts`, `probe` and `lens`: what they print and write, and what they refuse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from older import forget_digests
from test_analyze_command import analyze, refused, rows, runner, trained
from xlgen.cli import app
from xlgen.core.config import Recipe
from xlgen.training.run import train

LM = {"objective": {"name": "lm", "max_tokens": 8}, "corpus": {"reader": "pocket", "size": 4}}
LANGUAGES = ("en", "fr", "th", "ar")


def prompted(folder: Path, checkpoint: Path, languages: tuple[str, ...], adaptation: dict[str, Any]) -> Path:
    """A run on LM alone, of two steps."""
    recipe = {
        "name": "lm", "backbone": str(checkpoint), "adaptation": adaptation,
        "unlabelled": [{**LM, "languages": list(languages)}],
        "training": {"steps": 2, "warmup_steps": 0, "batch_tokens": 200, "learning_rate": 0.1},
    }  # fmt: skip
    train(Recipe.model_validate(recipe), folder)
    return folder


FACTORIZED = {"method": "factorized", "num_language_tokens": 2, "num_task_tokens": 1, "tasks": ["lm"]}


@pytest.mark.exhaustive
def test_prompts_of_one_run_or_of_one_each(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    tiny = checkpoint("mt5")
    both = prompted(tmp_path / "halves", tiny, LANGUAGES, {**FACTORIZED, "languages": list(LANGUAGES)})
    text = analyze("prompts", both, "--out", tmp_path / "out")
    assert "pooling:mean" in text and "Semitic" in text
    found = [row for row in rows(tmp_path / "out" / "prompts.json") if row["analysis"] == "prompts"]
    table = load_file(next(both.glob("checkpoints/*/trained.safetensors")))
    vectors = next(v for name, v in table.items() if name.endswith("language.weight")).unflatten(1, (2, -1)).mean(1)
    expected = torch.cosine_similarity(vectors[0], vectors[2], dim=0)
    (row,) = (r for r in found if {r["language"], r["other_language"]} == {"en", "th"})
    assert row["value"] == pytest.approx(float(expected), abs=1e-5)
    assert "<svg" in (tmp_path / "out" / "prompts.svg").read_text(encoding="utf-8")
    each = [
        prompted(tmp_path / code, tiny, (code,), {"method": "prompt", "num_virtual_tokens": 2}) for code in ("th", "ja")
    ]
    analyze("prompts", *each, "--pooling", "tokens", "--linkage", "single", "--out", tmp_path / "each")
    (row,) = (r for r in rows(tmp_path / "each" / "prompts.json") if r["analysis"] == "prompts")
    mine = [next(iter(load_file(next(run.glob("checkpoints/*/trained.safetensors"))).values())) for run in each]
    assert row["value"] == pytest.approx(float(torch.cosine_similarity(*(v.flatten() for v in mine), dim=0)), abs=1e-5)


@pytest.mark.exhaustive
@pytest.mark.undrawn
def test_probe_and_lens_before_and_after(
    checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    base, task = checkpoint("mbart"), tiny_task(["en", "fr", "th", "ar"])
    run = trained(tmp_path / "full", base, task, "full")
    given = ["--task", task, "--languages", "en,th,ar", "--max-examples", 8, "--split", "test"]
    text = analyze("probe", base, run, *given, "--out", tmp_path / "out")
    assert "decoder start" in text and "encoder" in text
    found = rows(tmp_path / "out" / "probe.json")
    parts = ("encoder", "decoder", "decoder start")
    assert len(found) == 2 * 3 * 3 * 3 * 4  # models, parts, layers, controls, languages with their mean
    assert {(row["model"], row["part"]) for row in found} == {(m, p) for m in (str(base), str(run)) for p in parts}
    assert all(0 <= row["value"] <= 100 and row["n"] == 2 for row in found)
    text = analyze("lens", base, run, *given, "--steps", 3, "--out", tmp_path / "out")
    assert "Thai" in text and "en English" not in text
    lens = rows(tmp_path / "out" / "lens.json")
    assert {(row["text"], row["language"]) for row in lens} == {
        (text, code) for text in ("generated", "reference") for code in ("th", "ar")
    }
    classes = ("source", "target", "both", "other", "neither")
    assert all(sum(row[f"{each}_share"] for each in classes) == pytest.approx(1) for row in lens)
    drawn = {path.name for path in (tmp_path / "out").glob("*.svg")}
    assert drawn >= {"probe.svg", "lens.svg", "lens-th-generated.svg", "lens-ar-reference.svg"}


def headed(folder: Path, checkpoint: Path) -> Path:
    """A run of two steps with a head on the encoder half."""
    recipe = {
        "name": "asks", "backbone": str(checkpoint), "task": "pocket-asks",
        "training": {"steps": 2, "warmup_steps": 0, "batch_tokens": 300, "max_examples": 4},
        "evaluation": {"every": None, "split": "test", "examples": 1, "bootstrap": 0, "languages": ["en"]},
    }  # fmt: skip
    train(Recipe.model_validate(recipe), folder)
    return folder


@pytest.mark.exhaustive
def test_under_a_head_the_encoder_alone_is_probed(
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = headed(tmp_path / "asks", checkpoint("mbart"))
    given = ["--task", "pocket-asks", "--languages", "en,th", "--max-examples", 4]
    analyze("probe", run, *given, "--out", tmp_path / "out")
    done = runner.invoke(
        app, ["analyze", "spectra", str(checkpoint("mbart")), str(run), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 0 and "one of them has no decoder" in " ".join(done.output.split())
    compared = [row for row in rows(tmp_path / "out" / "spectra.json") if row["model"] == str(run)]
    assert {row["half"] for row in compared} == {"encoder"} and any(row["change"] > 0 for row in compared)
    assert {row["part"] for row in rows(tmp_path / "out" / "probe.json")} == {"encoder"}
    assert "has no decoder" in refused(monkeypatch, capsys, "lens", run, *given)


@pytest.mark.spread(1)
@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "nllb"])
def test_encoders_are_probed_on_texts_of_their_own(
    checkpoint: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    """Thai, Arabic and English by three scripts: nothing is learned in these weights, and the pieces tell all."""
    for code, words in {"eng": "the rain of day {}", "tha": "ฝนตก วันที่ {}", "arb": "مطر اليوم {}"}.items():
        lines = [words.format(number) for number in range(20)]
        (tmp_path / f"{code}.txt").write_text("\n".join(lines), encoding="utf-8")
    texts = {"corpus": {"reader": "lines", "path": "{language}.txt", "codes": {"en": "eng", "th": "tha", "ar": "arb"}}}
    given = ["--texts", json.dumps(texts), "--data-dir", tmp_path, "--unknown-languages", "--max-examples", 16]
    analyze("probe", checkpoint(family), *given, "--out", tmp_path / "out")
    found = rows(tmp_path / "out" / "probe.json")
    assert {row["part"] for row in found} == {"encoder"}
    assert {(row["language"], row["value"]) for row in found if row["given"] == "states" and row["layer"] == 1} == {
        (code, 100.0) for code in ("en", "th", "ar", "all")
    }
    assert all(row["n"] == 5 and "train:11|test:5" in row["signature"] for row in found)


@pytest.mark.exhaustive
def test_text_tells_languages_of_one_script_apart(
    checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    task = tiny_task(["en", "fr"])
    given = ["--task", task, "--max-examples", 2, "--steps", 2, "--split", "test"]
    analyze("lens", checkpoint("nllb"), *given, "--corpus", "{reader: pocket, size: 20}", "--out", tmp_path)
    found = rows(tmp_path / "lens.json")
    assert {row["language"] for row in found} == {"fr"} and all("pieces:text" in row["signature"] for row in found)
    assert all(row[key] > 0 for row in found for key in ("source_share", "target_share", "both_share"))


def test_bad_input_is_2(
    checkpoint: Callable[[str], Path],
    tiny_task: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def say(*arguments: object) -> str:
        return refused(monkeypatch, capsys, *arguments)

    tiny, task = checkpoint("mt5"), tiny_task(["en", "fr", "th"])
    short = ["--task", task, "--max-examples", 4, "--split", "test"]
    full = trained(tmp_path / "full", tiny, task, "full")
    assert "trains no prompt for each language" in say("prompts", full)
    assert "neither a checkpoint nor a run" in say("prompts", tmp_path)
    prompt = {"method": "prompt", "num_virtual_tokens": 1}
    thai = prompted(tmp_path / "th", tiny, ("th",), prompt)
    assert "there is only th" in say("prompts", thai)
    assert "two prompts of th" in say("prompts", thai, thai)
    mixed = prompted(tmp_path / "mixed", tiny, ("th", "ar"), prompt)
    assert "trained on text in th, ar" in say("prompts", mixed)
    wider = prompted(tmp_path / "wider", tiny, ("ar",), {**prompt, "num_virtual_tokens": 3})
    assert "only prompts of one backbone and one length" in say("prompts", thai, wider)
    broken = tmp_path / "broken"
    shutil.copytree(wider, broken)
    file = next(broken.glob("checkpoints/*/trained.safetensors"))
    forget_digests(file.parent)
    save_file({name: torch.full_like(tensor, torch.nan) for name, tensor in load_file(file).items()}, file)
    other = prompted(tmp_path / "ja", tiny, ("ja",), {**prompt, "num_virtual_tokens": 3})
    assert "prompt of ar is not finite" in say("prompts", broken, other)
    file.write_bytes(b"xx")
    assert "damaged or truncated" in say("prompts", broken, other)
    assert "has no language 'ja'" in say("probe", tiny, *short, "--languages", "en,ja")
    assert "unknown language 'qq'" in say("lens", tiny, *short, "--languages", "en,qq")
    assert "leave one of them out" in say("probe", tiny, *short, "--texts", "{corpus: {reader: pocket}}")
    assert "at least two languages, not 1" in say("probe", tiny, *short, "--languages", "th")
    assert "a language other than the source" in say("lens", tiny, *short, "--languages", "en")
    assert "en and fr have the same script" in say("lens", tiny, *short)
    assert "has no decoder" in say("lens", checkpoint("bert"), *short, "--languages", "th")
    for code, ids in {"en": "123456", "th": "123457"}.items():
        lines = [json.dumps({"id": each, "text": "a b", "label": "c"}) for each in ids]
        (tmp_path / f"{code}.test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    loose = {
        "reader": {"name": "jsonl", "path": "{language}.{split}.jsonl"}, "languages": ["en", "th"], "source": "{text}",
        "target": "label", "metrics": ["rougeL"], "main_metric": "rougeL",
    }  # fmt: skip
    (tmp_path / "loose.yaml").write_text(yaml.safe_dump(loose), encoding="utf-8")
    where = ["--task", tmp_path / "loose.yaml", "--data-dir", tmp_path, "--split", "test"]
    assert "en and th are not parallel: '6' is in en only" in say("probe", tiny, *where)
    for code in ("en", "th"):
        rows_of = [json.dumps({"text": f"{code} b", "label": "c"})] * (12 if code == "en" else 9)
        (tmp_path / f"{code}.test.jsonl").write_text("\n".join(rows_of), encoding="utf-8")
    assert "there are 12 of en, 9 of th" in say("probe", tiny, *where, "--max-examples", 8)
    assert "--texts" in say("probe", checkpoint("bert"), *short)
    for corpus in ("pocket", "[1, 2]", "null"):
        assert "a reader with its options, {name: pocket}" in say("lens", tiny, *short, "--corpus", corpus)
    assert "is given twice" in say("probe", tiny, tiny, *short)
    assert "is given twice" in say("lens", tiny, f"{tiny}/", *short)
    weights = load_file(tiny / "model.safetensors")
    copy = tmp_path / "nan"
    shutil.copytree(tiny, copy)
    name = next(name for name in weights if "decoder.block.1" in name and name.endswith("q.weight"))
    save_file({**weights, name: torch.full_like(weights[name], np.nan)}, copy / "model.safetensors", {"format": "pt"})
    assert "are not finite: decoder.block.1" in say("probe", copy, *short, "--languages", "en,th")
    assert "are not finite: decoder.block.1" in say("lens", copy, *short, "--languages", "en,th")
