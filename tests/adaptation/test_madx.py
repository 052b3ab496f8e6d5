"""MAD-X: stacked adapters of each example's language and the task, by hand; two stages; swapping at inference."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from xlgen.adaptation.base import Method, methods
from xlgen.adaptation.checkpoints import About, load_checkpoint, save_checkpoint
from xlgen.adaptation.language_task_modules import language_task_modules_of
from xlgen.adaptation.madx import AdapterTable
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.data.examples import EncodedExample
from xlgen.decoding.decode import Decoding, generate

LANGUAGES = ["en", "fr", "ru"]
SMALL: dict[str, Any] = {"languages": LANGUAGES, "language_bottleneck_dim": 5, "task_bottleneck_dim": 4}


def prepared(backbone: Backbone, **options: Any) -> Method:
    method = methods.build({"method": "madx", **SMALL, **options})
    method.prepare(backbone)
    return method


def shake(backbone: Backbone) -> None:
    torch.manual_seed(0)
    for name, parameter in backbone.model.named_parameters():
        if ".adapter." in name:
            parameter.data += 0.3 * torch.randn_like(parameter)


def rows(backbone: Backbone) -> list[EncodedExample]:
    return [
        EncodedExample(backbone.source([5, 6 + n, 9], code), backbone.target([8, 9], code), code)
        for n, code in enumerate(("fr", "en", "ru"))
    ]


@torch.no_grad()
def logits(backbone: Backbone, examples: list[EncodedExample]) -> Tensor:
    batch = {k: v for k, v in backbone.collate(examples).items() if k != "labels"}
    return backbone.model.eval()(**batch).logits


@pytest.mark.parametrize("learn", ["languages", "task"])
def test_step_0_equals_the_pretrained_model(any_backbone: Backbone, learn: str) -> None:
    before = logits(any_backbone, rows(any_backbone))
    method = prepared(any_backbone, learn=learn)
    method.select(any_backbone, rows(any_backbone))
    torch.testing.assert_close(logits(any_backbone, rows(any_backbone)), before, rtol=0, atol=0)
    assert len(language_task_modules_of(any_backbone)) == 4


def test_a_row_is_a_bottleneck_adapter() -> None:
    table = AdapterTable(3, 8, 5)
    for parameter in table.parameters():
        torch.nn.init.normal_(parameter)
    hidden, chosen = torch.randn(2, 4, 8), torch.tensor([2, 0])
    found = table(hidden, chosen)
    for example, row in enumerate(chosen.tolist()):
        down, up = table.down.weight[row].view(5, 8), table.up.weight[row].view(8, 5)
        inner = functional.relu(hidden[example] @ down.T + table.down_bias.weight[row])
        torch.testing.assert_close(found[example], hidden[example] + inner @ up.T + table.up_bias.weight[row])
    torch.testing.assert_close(table(hidden, chosen[:1])[1], table(hidden, chosen[[0, 0]])[1])


def test_languages_may_mix_in_a_batch(any_backbone: Backbone) -> None:
    """Each example comes out as it does alone with its own language."""
    method = prepared(any_backbone, learn="task")
    shake(any_backbone)
    examples = rows(any_backbone)
    method.select(any_backbone, examples)
    together = logits(any_backbone, examples)
    for number, example in enumerate(examples):
        method.set_language(any_backbone, example.language)
        torch.testing.assert_close(logits(any_backbone, [example])[0], together[number], rtol=1e-4, atol=1e-4)
    method.set_language(any_backbone, "ru")
    assert not torch.allclose(logits(any_backbone, examples[:1])[0], together[0], atol=1e-3)
    assert generate(any_backbone, [examples[0].source] * 2, ["ru"] * 2, Decoding(4, num_beams=2))


def test_stage_2_learns_the_task_beside_frozen_languages(
    backbone_of: Callable[[str], Backbone], tmp_path: Path
) -> None:
    first, second = backbone_of("mbart"), backbone_of("mbart")
    one = prepared(first)
    shake(first)
    adaptation = {"method": "madx", **SMALL}
    about = About(step=1, backbone=first.name, adaptation=adaptation, task=None, data_dir=".")
    save_checkpoint(tmp_path / "checkpoints" / "step-1", first, one, about)
    two = prepared(second, learn="task", languages=["ru", "en"])
    assert {n for n, p in second.model.named_parameters() if p.requires_grad} == {
        n for n, _ in second.model.named_parameters() if ".task." in n
    }
    two.begin(second, tmp_path)
    theirs, mine = one.state(first), two.state(second)
    assert all(torch.equal(mine[n], t[[2, 0]]) for n, t in theirs.items())
    # The new task's adapters are still nothing, so the languages speak as in stage 1.
    for code in ("ru", "en"):
        one.set_language(first, code)
        two.set_language(second, code)
        torch.testing.assert_close(logits(second, rows(second)), logits(first, rows(first)), rtol=0, atol=0)
    shake(second)
    about = About(2, first.name, {**adaptation, "learn": "task", "languages": ["ru", "en"]}, None, ".")
    save_checkpoint(tmp_path / "step-2", second, two, about)
    again, loaded, _ = load_checkpoint(tmp_path / "step-2")
    two.set_language(second, "ru")
    loaded.set_language(again, "ru")
    assert torch.equal(logits(again, rows(again)), logits(second, rows(second)))


def test_a_missing_stage_1(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("mt5")
    with pytest.raises(BackboneError, match="put such a stage before this one"):
        prepared(backbone, learn="task").begin(backbone, None)
