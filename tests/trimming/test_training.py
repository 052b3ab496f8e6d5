"""Recipes that trim, checkpoints that say so, and merging into the whole vocabulary."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import xlgen
from xlgen.adaptation.checkpoints import load_checkpoint
from xlgen.backbones import loading
from xlgen.backbones.trimming.record import read_record
from xlgen.backbones.trimming.source import open_source
from xlgen.core.config import load_recipe
from xlgen.core.registry import InputError
from xlgen.data.tasks import load_task
from xlgen.training.run import train

RECIPE: dict[str, Any] = {
    "task": "pocket-summaries",
    "source_languages": ["en"],
    "training": {"steps": 2, "learning_rate": 1e-3, "warmup_steps": 0, "batch_tokens": 400, "train_examples": 12},
    "evaluation": {"examples": 2, "languages": ["en", "fr"], "max_new_tokens": 8, "bootstrap": 0, "every": None},
}
TRIM = {"coverage": 0.99}
Run = Callable[[str, Any], Path]


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def run(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train on a tiny mT5, trimmed as asked, once for each method."""
    found: dict[str, Path] = {}

    def make(method: str, trim: Any) -> Path:
        key = f"{method}-{trim}"
        if key not in found:
            found[key] = tmp_path_factory.mktemp("run") / "run"
            recipe = {**RECIPE, "backbone": {"name": str(checkpoint("mt5")), "trim": trim}, "adaptation": method}
            xlgen.train(recipe, out=found[key])
        return found[key]

    return make


def newest(run: Path) -> Path:
    return run / "checkpoints" / "step-2"


@pytest.mark.keep("lora")
@pytest.mark.parametrize("method", ["full", "lora", "adapters"])
def test_checkpoint_says_what_was_kept_and_loads_without_the_cache(
    run: Run, method: str, checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(method, TRIM)
    about = json.loads((newest(folder) / "checkpoint.json").read_text(encoding="utf-8"))
    assert about["backbone"] == str(checkpoint("mt5")) and about["trim"]["by"] == "recipe"
    assert about["trim"]["languages"] == ["en", "fr"] and about["trim"]["size"] < about["trim"]["rows"]
    backbone, _, _ = load_checkpoint(newest(folder))
    assert backbone.trim is not None and backbone.model.config.vocab_size == about["trim"]["size"]
    expected = xlgen.load(folder).generate(["A small school opened."], language="fr", max_new_tokens=8)
    monkeypatch.setenv("XLGEN_CACHE", str(tmp_path / "another"))
    assert xlgen.load(folder).generate(["A small school opened."], language="fr", max_new_tokens=8) == expected
    with pytest.raises(InputError, match=r"does not know Thai \(th\); it knows en, fr"):
        xlgen.load(folder, languages=["th"])


def test_checkpoint_refuses_the_whole_backbone_and_the_reverse(
    run: Run, tmp_path: Path, checkpoint: Callable[[str], Path]
) -> None:
    whole, trimmed = tmp_path / "whole", tmp_path / "trimmed"
    for target in (whole, trimmed):
        shutil.copytree(newest(run("lora", TRIM)), target)
    about = json.loads((trimmed / "checkpoint.json").read_text())
    files = {trimmed: about, whole: {key: value for key, value in about.items() if key != "trim"}}
    folder = tmp_path / "model"
    xlgen.trim(
        checkpoint("mt5"), folder, corpus={"name": "pocket", "size": 20}, languages=["en", "fr"], keep=900, speed=False
    )
    changes = {
        trimmed: ({"trim": {**files[trimmed]["trim"], "by": "folder"}}, "trained on a trimmed vocabulary .* the whole"),
        whole: ({"backbone": str(folder)}, r"trained on the whole vocabulary, and .* a trimmed one \(900 of the"),
    }
    for place, (change, message) in changes.items():
        (place / "checkpoint.json").write_text(json.dumps({**files[place], **change}), encoding="utf-8")
        with pytest.raises(InputError, match=message):
            load_checkpoint(place)


def test_resumed_run_keeps_its_tokens(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The corpus has changed since, and is not read again."""
    documents = [each.source for each in load_task("pocket-summaries", Path()).examples("en", "train", 40)]
    (tmp_path / "en.txt").write_text("\n".join(documents), encoding="utf-8")
    recipe = {
        **RECIPE,
        "adaptation": "layernorm",
        "data_dir": str(tmp_path),
        "backbone": {"name": str(checkpoint("mt5")), "trim": {"languages": ["en", "fr"], "corpus": ["en.txt"]}},
    }
    train(load_recipe(recipe), tmp_path / "run", until=1)
    first = load_checkpoint(tmp_path / "run" / "checkpoints" / "step-1")[0].trim
    (tmp_path / "en.txt").write_text("Other words entirely, and many more of them.\n", encoding="utf-8")
    train(load_recipe(recipe), tmp_path / "run", resume=True)
    again = load_checkpoint(newest(tmp_path / "run"))[0].trim
    assert first is not None and again == first


@pytest.mark.keep("full")
@pytest.mark.parametrize("method", ["full", "lora"])
def test_untrim_puts_trained_rows_into_the_whole_vocabulary(
    run: Run, method: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "whole"
    found = xlgen.untrim(run(method, TRIM), folder)
    source = load_file(checkpoint("mt5") / "model.safetensors")
    trained, method_, _ = load_checkpoint(newest(run(method, TRIM)))
    if method == "lora":
        method_.merge(trained)
    state, merged = trained.model.state_dict(), load_file(folder / "model.safetensors")
    assert trained.trim is not None
    kept, dropped = list(trained.trim.kept), sorted(set(range(trained.trim.rows)) - set(trained.trim.kept))
    assert found.trained == len(kept) and found.rows == trained.trim.rows
    for name, tensor in merged.items():
        if name in ("shared.weight", "lm_head.weight"):
            assert torch.equal(tensor[kept], state[name])
            assert torch.equal(tensor[dropped], source[name][dropped])
        else:
            assert torch.equal(tensor, state[name])
    whole = loading.load(str(folder))
    assert len(whole.tokenizer) == trained.trim.rows == whole.model.config.vocab_size
    texts = [each.source for each in load_task("pocket-summaries", Path()).examples("en", "train", 12)]
    texts = [text for text in texts if set(whole.tokenize(text)) <= set(kept)]
    assert len(texts) > 2
    ids = [trained.tokenize(text)[:60] for text in texts]
    assert [[kept[index] for index in each] for each in ids] == [whole.tokenize(text)[:60] for text in texts]
    with torch.no_grad():
        one = trained.model(input_ids=torch.tensor([ids[0]]), decoder_input_ids=torch.tensor([[0]])).logits
        other = whole.model(
            input_ids=torch.tensor([[kept[index] for index in ids[0]]]), decoder_input_ids=torch.tensor([[0]])
        ).logits
    torch.testing.assert_close(other[..., kept], one, rtol=0, atol=1e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["pocket-mt5", "pocket-mbart", "pocket-nllb"])
def test_finetuned_pocket_backbone_in_two_languages_writes_the_same(name: str, tmp_path: Path) -> None:
    """Finetuned first: an untrained backbone writes other languages at times, which a trimmed one cannot."""
    training = {**RECIPE["training"], "steps": 40, "batch_tokens": 1_000, "train_examples": 600}
    evaluation = {"examples": 2, "languages": ["en", "fr"], "every": None}
    recipe = {**RECIPE, "backbone": name, "source_languages": ["en", "fr"], "training": training}
    recipe["evaluation"] = evaluation  # the task's length, with which the trimmed folder is evaluated too
    whole, trimmed = xlgen.train(recipe, out=tmp_path / "run").checkpoints[-1], tmp_path / "trimmed"
    corpus = {"name": "pocket", "size": 2_000}
    xlgen.trim(whole, trimmed, corpus=corpus, languages=["en", "fr"], coverage=1.0, speed=False)
    record = read_record(str(trimmed))
    assert record is not None and len(record.kept) < record.rows / 3
    for beams in (1, 4):
        found = []
        for model in (whole, trimmed):
            out = tmp_path / f"{Path(model).name}-{beams}"
            scores = xlgen.evaluate(
                model,
                task="pocket-summaries",
                languages=["en", "fr"],
                max_examples=60,
                num_beams=beams,
                out=out,
            )
            compared = ("rougeL", "correct_language_rate")
            values = {(row["language"], row["metric"]): row["value"] for row in scores.metrics}
            assert all(values[code, "rougeL"] > 70 for code in ("en", "fr"))
            files = [(out / "predictions" / f"{code}.jsonl").read_text(encoding="utf-8") for code in ("en", "fr")]
            texts = [json.loads(line)["prediction"] for file in files for line in file.splitlines()]
            found.append(({key: value for key, value in values.items() if key[1] in compared}, texts))
        assert found[0] == found[1]


@pytest.mark.exhaustive
def test_export_of_a_trimmed_run_says_so(run: Run, tmp_path: Path) -> None:
    xlgen.export(run("lora", TRIM), "transformers", tmp_path / "exported", max_examples=1)
    record = read_record(str(tmp_path / "exported"))
    assert record is not None and record.by == "folder"
    assert open_source(str(tmp_path / "exported")).rows == len(record.kept)
    with pytest.raises(InputError, match="its recipe trims"):
        xlgen.export(run("lora", TRIM), "peft", tmp_path / "peft", max_examples=1)
    with pytest.raises(InputError, match="there is nothing to merge"):
        xlgen.untrim(run("lora", None), tmp_path / "whole")
