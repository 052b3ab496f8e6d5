"""Factorized prompts: which parts each example sees, what each stage trains, and which part is used in inference."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from older import forget_digests
from xlgen.adaptation.base import Method, methods
from xlgen.adaptation.checkpoints import load_checkpoint
from xlgen.adaptation.language_task_modules import language_task_modules_of
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.core.config import Recipe
from xlgen.core.registry import InputError
from xlgen.data.examples import EncodedExample
from xlgen.decoding.decode import Decoding, generate
from xlgen.runs.checkpoints import checkpoints_of
from xlgen.training.run import check, train

SMALL = {"num_language_tokens": 3, "num_task_tokens": 2, "languages": ["en", "fr", "ru"], "tasks": ["lm", "prefix_lm"]}


def prepared(backbone: Backbone, **options: Any) -> Method:
    method = methods.build({"method": "factorized", **SMALL, "init_task": "lm", **options})
    method.prepare(backbone)
    return method


def rows(backbone: Backbone) -> list[EncodedExample]:
    kinds = [("fr", "lm"), ("en", "prefix_lm"), ("ru", "lm")]
    return [
        EncodedExample(backbone.source([5, 6 + n], code), backbone.target([8, 9], code), code, task)
        for n, (code, task) in enumerate(kinds)
    ]


@torch.no_grad()
def logits(backbone: Backbone, examples: list[EncodedExample]) -> Tensor:
    batch = {k: v for k, v in backbone.collate(examples).items() if k != "labels"}
    return backbone.model.eval()(**batch).logits


def test_every_example_of_a_mixed_batch_sees_its_parts(
    any_backbone: Backbone, backbone_of: Callable[[str], Backbone]
) -> None:
    """By hand: the language's vectors, then the task's, before the embeddings."""
    plain = backbone_of(Path(any_backbone.name).name)
    method = prepared(any_backbone)
    examples = rows(any_backbone)
    method.select(any_backbone, examples)
    found = logits(any_backbone, examples)
    ((_, prompt),) = language_task_modules_of(any_backbone)
    module: Any = prompt
    languages = module.language.weight.detach().view(3, 3, -1)
    tasks = module.task.weight.detach().view(2, 2, -1)
    by_hand = torch.stack(
        [torch.cat([languages[["en", "fr", "ru"].index(e.language)], tasks[int(e.task != "lm")]]) for e in examples]
    )
    batch = plain.collate(examples)
    embedded = plain.model.get_encoder().embed_tokens(batch["input_ids"])
    with torch.no_grad():
        expected = plain.model.eval()(
            inputs_embeds=torch.cat([by_hand, embedded], 1),
            attention_mask=torch.cat([torch.ones(3, 5, dtype=torch.long), batch["attention_mask"]], 1),
            decoder_input_ids=batch["decoder_input_ids"],
        ).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_only_the_parts_of_the_batch_get_a_gradient(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    method = prepared(backbone)
    examples = [e for e in rows(backbone) if e.language != "ru"][:1]
    method.select(backbone, examples)
    backbone.model(**backbone.collate(examples)).loss.backward()
    ((_, prompt),) = language_task_modules_of(backbone)
    module: Any = prompt
    assert module.language.weight.grad.abs().sum(1).bool().tolist() == [False, True, False]
    assert module.task.weight.grad.abs().sum(1).bool().tolist() == [True, False]


@pytest.mark.spread(2)
@pytest.mark.parametrize("keep", [False, True])
def test_inference_swaps_the_language_part(any_backbone: Backbone, keep: bool) -> None:
    """With ``keep_source_language`` (FP-EN) all languages speak through the English one."""
    method = prepared(any_backbone, keep_source_language=keep)
    examples = rows(any_backbone)[:1]
    outputs = []
    for code in ("en", "fr"):
        method.set_language(any_backbone, code)
        outputs.append(logits(any_backbone, examples))
        assert generate(any_backbone, [examples[0].source] * 3, ["fr"] * 3, Decoding(4, num_beams=2))
    assert torch.equal(*outputs) == keep


def test_a_language_or_task_without_a_part(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    method = prepared(backbone)
    with pytest.raises(BackboneError, match="no language part for th; there are en, fr, ru"):
        method.set_language(backbone, "th")
    with pytest.raises(BackboneError, match="no task part for 'first_sentence'; stage 1 learns lm, prefix_lm"):
        method.check_data("first_sentence", ("en",))
    method.check_data("lm", ("en", "ru"))


# -- the two stages


@pytest.fixture(scope="module")
def task(tiny_task: Callable[..., str]) -> str:
    return tiny_task(["en", "fr", "ru"])


def recipe(task: str, backbone: Path, stages: list[str], **second: Any) -> Recipe:
    sizes = {"num_language_tokens": 3, "num_task_tokens": 2, "languages": ["en", "fr", "ru"]}
    corpus = {"reader": "pocket", "size": 6}
    training = {"steps": 3, "learning_rate": 0.1, "warmup_steps": 0, "schedule": "constant", "batch_tokens": 400}
    names = ("lm", "span_corruption")
    first = {
        "unlabelled": [
            {"objective": {"name": name, "max_tokens": 30}, "corpus": corpus, "languages": ["en", "fr", "ru"]}
            for name in names
        ],
        "adaptation": {"method": "factorized", "tasks": list(names), **sizes},
        "training": training,
    }
    last = {
        "task": task,
        "adaptation": {"method": "factorized", "learn": "task", "tasks": list(names), **sizes, **second},
        "training": training,
        "evaluation": {"every": None, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 3},
    }
    chosen = [{"first": first, "last": last}[name] for name in stages]
    return Recipe.model_validate({"name": "fp", "backbone": str(backbone), "stages": chosen})


def tables(checkpoint: Path) -> dict[str, Tensor]:
    backbone, method, _ = load_checkpoint(checkpoint)
    return {name.rsplit(".", 2)[-2]: t.clone() for name, t in method.state(backbone).items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, checkpoint: Callable[[str], Path], task: str) -> Path:
    folder = tmp_path_factory.mktemp("fp") / "run"
    train(recipe(task, checkpoint("mt5"), ["first", "last"]), folder)
    return folder


@pytest.mark.exhaustive
def test_two_stages_in_one_recipe(run: Path) -> None:
    """Stage 2 keeps every language part bit for bit, and changes its task part."""
    (first,), (last,) = (checkpoints_of(place) for place in (run / "stages" / "0", run))
    names = json.loads((first / "halves.json").read_text())
    assert names == {"languages": ["en", "fr", "ru"], "tasks": ["lm", "span_corruption"]}
    one, two = tables(first), tables(last)
    assert torch.equal(one["language"], two["language"])
    assert one["task"].shape[0] == 2 and two["task"].shape[0] == 1
    moved = (two["task"][0] - one["task"][1]).abs()
    assert 0 < float(moved.max()) < 0.5, "it started from span corruption's"
    assert not (run / "stages" / "0" / "model").exists()
    assert sorted(p.stem for p in (run / "predictions").rglob("*.jsonl")) == ["en", "fr", "ru"]


@pytest.mark.exhaustive
def test_stage_2_can_start_from_another_run(
    run: Path, checkpoint: Callable[[str], Path], task: str, tmp_path: Path
) -> None:
    start = str(run / "stages" / "0")
    train(recipe(task, checkpoint("mt5"), ["last"], start=start), tmp_path / "run")
    (first,) = checkpoints_of(run / "stages" / "0")
    (last,) = checkpoints_of(tmp_path / "run")
    assert torch.equal(tables(first)["language"], tables(last)["language"])


@pytest.mark.spread(2)
@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({}, "put such a stage before this one, or name its run"),
        ({"start": "nowhere"}, "no checkpoint of a stage with `learn: languages` in nowhere"),
        ({"start": "STAGE", "languages": ["en", "fr", "ru", "th"]}, "has no language part for th"),
        ({"start": "STAGE", "init_task": "prefix_lm"}, "learned no task 'prefix_lm'; it has lm, span_corruption"),
        ({"start": "STAGE", "languages": ["en", "fr"]}, "no language part for ru; there are en, fr"),
        ({"start": "STAGE", "num_language_tokens": 4}, "had another backbone or other sizes"),
    ],
)
def test_a_missing_stage_1(
    run: Path, checkpoint: Callable[[str], Path], task: str, tmp_path: Path, second: dict[str, Any], message: str
) -> None:
    second = {key: str(run / "stages" / "0") if value == "STAGE" else value for key, value in second.items()}
    with pytest.raises(BackboneError, match=message):
        train(recipe(task, checkpoint("mt5"), ["last"], **second), tmp_path / "run")
    assert not list((tmp_path / "run").rglob("step-*"))


@pytest.mark.spread(2)
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"languages": ["en", "fr", "ru"]}'])
def test_a_damaged_stage_1(
    run: Path, checkpoint: Callable[[str], Path], task: str, tmp_path: Path, content: str
) -> None:
    (first,) = checkpoints_of(run / "stages" / "0")
    shutil.copytree(first, tmp_path / "first")
    (tmp_path / "first" / "halves.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"first differs from what was saved: halves\.json has other content"):
        train(recipe(task, checkpoint("mt5"), ["last"], start=str(tmp_path / "first")), tmp_path / "run")
    forget_digests(tmp_path / "first")
    with pytest.raises(BackboneError, match=f"the checkpoint of stage 1 in {tmp_path}/first is damaged"):
        train(recipe(task, checkpoint("mt5"), ["last"], start=str(tmp_path / "first")), tmp_path / "run")


def test_only_the_same_method_can_continue_with_inserted_modules(checkpoint: Callable[[str], Path], task: str) -> None:
    stages = recipe(task, checkpoint("mt5"), ["first", "last"])
    other = stages.stages[1].model_copy(update={"adaptation": methods.options("full")})
    with pytest.raises(BackboneError, match="factorized adds modules, and full in the next stage cannot continue"):
        check(stages.model_copy(update={"stages": (stages.stages[0], other)}))
