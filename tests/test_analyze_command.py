"""`xlgen analyze`: what it prints and writes, for backbones and checkpoints of runs; and what it refuses."""

from __future__ import annotations

import errno
import json
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from synthetic import write_run
from xlgen.analysis.figures import Heatmaps, Panel
from xlgen.cli import app, main
from xlgen.core.config import Recipe
from xlgen.report.heatmaps import draw_heatmaps
from xlgen.training.run import train

runner = CliRunner()
GROUP: Any = typer.main.get_command(app)
COMMANDS = sorted(name for name in GROUP.commands["analyze"].commands if name != "selection")  # has no --out
WORLD = ["--languages", "en,th,ar", "--max-examples", "12"]


def analyze(*arguments: object) -> str:
    done = runner.invoke(app, ["analyze", *map(str, arguments)], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return found


def trained(folder: Path, checkpoint: Path, task: str, method: str) -> Path:
    recipe = {
        "name": "tiny", "backbone": str(checkpoint), "task": task, "adaptation": {"method": method},
        "training": {"steps": 2, "warmup_steps": 0, "batch_tokens": 300, "learning_rate": 0.05},
        "evaluation": {"every": None, "split": "test", "examples": 1, "bootstrap": 0, "max_new_tokens": 2},
    }  # fmt: skip
    train(Recipe.model_validate(recipe), folder)
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example_that_parses(name: str) -> None:
    command = GROUP.commands["analyze"].commands[name]
    text = " ".join(runner.invoke(app, ["analyze", name, "--help"]).stdout.split())
    program, group, found, *arguments = shlex.split(text.rsplit("Example: ", 1)[1])
    assert (program, group, found) == ("xlgen", "analyze", name)
    command.make_context(name, arguments)
    assert command.help and all(getattr(parameter, "help", None) for parameter in command.params)


@pytest.mark.exhaustive
@pytest.mark.undrawn
def test_a_checkpoint_is_compared_with_what_it_was(
    checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    base = checkpoint("mbart")
    run = trained(tmp_path / "full", base, tiny_task(["en", "th", "ar"]), "full")
    analyze("cka", base, run, *WORLD, "--out", tmp_path / "cka")
    found = rows(tmp_path / "cka" / "cka.json")
    models = [row for row in found if row["analysis"] == "cka-models" and row["matched"]]
    assert {(row["language"], row["first_layer"]) for row in models} == {
        (code, layer) for code in ("en", "th", "ar") for layer in range(3)
    }
    assert all(-1 <= row["value"] <= 1 and row["n"] == 12 for row in models)
    assert any(row["value"] < 1 - 1e-6 for row in models)
    assert {row["model"] for row in found if row["analysis"] == "cka-languages"} == {str(base), str(run)}
    assert {path.suffix for path in (tmp_path / "cka").iterdir()} == {".json", ".svg"}
    assert "<svg" in (tmp_path / "cka" / "cka-models.svg").read_text(encoding="utf-8")
    same = tmp_path / "same"
    analyze("cka", run, next((run / "checkpoints").iterdir()), *WORLD, "--out", same)
    assert all(row["value"] > 1 - 1e-9 for row in rows(same / "cka.json") if row.get("matched"))
    text = analyze("spectra", base, run, "--out", tmp_path / "spectra")
    changed = [row for row in rows(tmp_path / "spectra" / "spectra.json") if row["model"] == str(run)]
    assert len(changed) == 2 * (6 + 10) and all(0 < row["spectrum_change"] <= row["change"] for row in changed)
    assert "decoder 1 cross" in text and "K ∥σ∥" in (tmp_path / "spectra" / "spectra.md").read_text(encoding="utf-8")


@pytest.mark.exhaustive
def test_what_stands_beside_the_weights_is_said(
    checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    run = trained(tmp_path / "adapters", checkpoint("mt5"), tiny_task(["en", "th"]), "adapters")
    done = runner.invoke(app, ["analyze", "spectra", str(checkpoint("mt5")), str(run), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "the modules that its method adds are not included" in " ".join(done.output.split())
    assert all(row["change"] == 0 for row in rows(tmp_path / "out" / "spectra.json"))


@pytest.mark.spread(1)
@pytest.mark.parametrize("name", ["bert", "xlm-roberta"])
def test_encoders_by_themselves(name: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """J compares mBERT and XLM-R with halves of other models: no head, and no decoder, is asked for."""
    tiny = checkpoint(name)
    analyze("cka", tiny, *WORLD, "--out", tmp_path / "cka")
    assert {row["layer"] for row in rows(tmp_path / "cka" / "cka.json") if "layer" in row} == {0, 1, 2}
    analyze("spectra", tiny, "--out", tmp_path / "spectra")
    found = rows(tmp_path / "spectra" / "spectra.json")
    assert {row["weight"] for row in found} == {"K", "Q", "V", "Out", "FC1", "FC2"}
    assert {row["half"] for row in found} == {"encoder"}


@pytest.mark.exhaustive
def test_languages_of_one_model_overlap_and_correlation(
    checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    text = analyze("cka", checkpoint("nllb"), *WORLD, "--batch-size", 6, "--out", tmp_path / "cka")
    assert "most alike" in text and "–" in text
    assert {row["signature"].split("|")[-3] for row in rows(tmp_path / "cka" / "cka.json")} == {"batch:6"}
    analyze("overlap", "pocket-labels", "--max-examples", 20, "--out", tmp_path / "overlap")
    assert all(row["value"] > 0 for row in rows(tmp_path / "overlap" / "overlap.json"))
    write_run(tmp_path / "run")
    lines = "".join(
        json.dumps({"event": "figure", "step": s, "language": "fr", "metric": "xlrs", "value": 1 / s, "n": 5}) + "\n"
        for s in (200, 400, 600)
    )
    log = tmp_path / "run" / "metrics.jsonl"
    log.write_text(log.read_text(encoding="utf-8").rsplit("\n", 1)[0] + "\n" + lines, encoding="utf-8")
    assert "-1.00*" in analyze("correlation", tmp_path / "run", "--out", tmp_path / "correlation")
    assert rows(tmp_path / "correlation" / "correlation.json")[0]["n"] == 3


def test_a_wide_table_is_not_cut_where_the_terminal_is_narrow(checkpoint: Callable[[str], Path]) -> None:
    arguments = ["analyze", "cka", str(checkpoint("nllb")), str(checkpoint("mbart")), "--max-examples", "5"]
    done = runner.invoke(app, arguments, env={"COLUMNS": "30"})
    assert done.exit_code == 0, done.output
    assert "…" not in done.stdout and "mean" in done.stdout


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    monkeypatch.setattr(sys, "argv", ["xlgen", "analyze", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def test_bad_input_is_2(
    checkpoint: Callable[[str], Path],
    tiny_task: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def say(*arguments: object) -> str:
        return refused(monkeypatch, capsys, *arguments)

    tiny = checkpoint("mt5")
    for code, text in {"en": "a\nb\nc\nd\n", "th": "ก\nข\nค\n", "ar": "\n", "de": "a\nb\nc\nd\n"}.items():
        (tmp_path / f"{code}.txt").write_text(text, encoding="utf-8")
    texts = ["--texts", '{corpus: {reader: lines, path: "{language}.txt"}}', "--data-dir", tmp_path]
    assert "texts of en and th are not parallel" in say("cka", tiny, *texts, "--languages", "en,th")
    alone = ["--texts", "{corpus: {reader: lines, path: en.txt}}", "--data-dir", tmp_path]
    for command in ("cka", "probe"):
        assert "was read as en and cannot be th too" in say(command, tiny, *alone, "--languages", "en,th")
        assert "en and de are all the same" in say(command, tiny, *texts, "--languages", "en,de")
    assert "no text for language ar" in say("cka", tiny, *texts, "--languages", "en,ar")
    assert "fr.txt" in say("cka", tiny, *texts, "--languages", "en,fr")
    assert "at least two" in say("cka", tiny, *texts, "--languages", "en")
    assert "layers do not match" in say("cka", tiny, "pocket-mt5", *WORLD)
    assert "layers do not match" in say("spectra", tiny, "pocket-mt5")
    assert "layers do not match" in say("spectra", tiny, checkpoint("mbart"))
    assert "sentences" in say("cka", tiny, "--texts", "{sentence: 5}")
    assert "no backbone" in say("cka", "pocket-mt6")
    assert "config.json" in say("spectra", tmp_path)
    assert "a language other than en" in say("overlap", tiny_task(["en", "th"]), "--languages", "en")
    write_run(tmp_path / "run")
    assert "evaluation.xlrs" in say("correlation", tmp_path / "run")
    assert "did you mean 'rougeL'" in say("correlation", tmp_path / "run", "--metric", "rougeLL")
    assert "XLRS cannot be correlated with itself" in say("correlation", tmp_path / "run", "--metric", "xlrs")
    assert "is given twice" in say("cka", tiny, tiny, *WORLD)
    assert "is given twice" in say("spectra", tiny, checkpoint("mbart"), f"{tiny}/")
    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    weights = load_file(broken / "model.safetensors")
    name = next(name for name in weights if "encoder.block.1" in name and name.endswith("wo.weight"))
    weights[name] = torch.full_like(weights[name], 3e38)
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    assert f"the weights in {broken} are too large: encoder.block.1" in say("cka", broken, *WORLD)
    weights[name] = torch.full_like(weights[name], torch.nan)
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    assert f"the weights in {broken} are not finite: encoder.block.1" in say("spectra", tiny, broken)


@pytest.mark.parametrize("name", COMMANDS)
def test_out_is_looked_at_before_the_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is asked for does not exist, which nobody finds out."""
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    for place in (file, file / "below"):
        said = refused(monkeypatch, capsys, name, tmp_path / "nothing", "--out", place)
        assert f"(--out) {place}" in said and "name a folder that can be written to" in said
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_full_disk_leaves_no_part_of_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "map.svg"
    found = Heatmaps("map", "", (Panel("", ["0"], ["en"], np.ones((1, 1))),))
    old = draw_heatmaps(found, path).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*map.svg'"):
        draw_heatmaps(replace(found, title="again"), path)
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == old


@pytest.mark.exhaustive
@pytest.mark.undrawn
def test_the_biased_cka_of_ji_et_al(
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Section 3.2: the plain formula on 80 sentences, all at once; near 1 where there are fewer than dimensions."""
    first, second = checkpoint("mbart"), checkpoint("nllb")
    found = {}
    for flags in ((), ("--biased",)):
        folder = tmp_path / f"cka{len(flags)}"
        analyze("cka", first, second, "--languages", "en,fr", "--max-examples", 80, *flags, "--out", folder)
        found[flags] = rows(folder / "cka.json")
    unbiased, biased = found[()], found["--biased",]
    assert {row["signature"] for row in biased} == {"hsic:biased|states:encoder-mean|sentences:80"}
    assert {row["n"] for row in biased} == {80}
    pairs = [(a["value"], b["value"]) for a, b in zip(unbiased, biased, strict=True) if a["analysis"] == "cka-models"]
    assert all(0 <= value <= 1 for _, value in pairs)
    assert sum(b for _, b in pairs) > sum(a for a, _ in pairs)
    said = refused(monkeypatch, capsys, "cka", first, second, "--biased", "--batch-size", 8)
    assert "--batch-size has no effect with --biased" in said
