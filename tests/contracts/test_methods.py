"""What every registered adaptation method keeps to, on a tiny checkpoint of each family."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from xlgen.adaptation.base import Method, methods, trainable_parameters
from xlgen.adaptation.checkpoints import About, load_checkpoint, save_checkpoint
from xlgen.backbones.base import IGNORED, Backbone, BackboneError
from xlgen.backbones.loading import load
from xlgen.data.examples import EncodedExample
from xlgen.training.loop import token_loss

TEXTS = {
    "en": ("The mayor opened a new school in the city on Monday.", "A new school."),
    "ru": ("Мэр открыл новую школу в городе.", "Школа открыта."),
    "fr": ("Le maire a ouvert une école dans la ville.", "Une école est ouverte."),
}
# Two steps, because at the first one weights of zero pass no gradient to the layers before them.
STEPS = 2


def examples_of(backbone: Backbone) -> list[EncodedExample]:
    return [
        EncodedExample(
            backbone.source(backbone.tokenize(source), language),
            backbone.target(backbone.tokenize(target), language),
            language,
            "span_corruption",
        )
        for language, (source, target) in TEXTS.items()
    ]


def batch_of(backbone: Backbone) -> dict[str, Tensor]:
    return backbone.collate(examples_of(backbone))


@torch.inference_mode()
def logits(backbone: Backbone) -> Tensor:
    batch = batch_of(backbone)
    del batch["labels"]
    return backbone.model.eval()(**batch).logits


def loss_of(backbone: Backbone) -> Tensor:
    batch = batch_of(backbone)
    return token_loss(backbone.model, batch) / (batch["labels"] != IGNORED).sum()


def train(backbone: Backbone, steps: int, rate: float = 3e-3) -> list[float]:
    """A few steps of Adam on one batch; the losses."""
    optimizer = torch.optim.Adam([p for p in backbone.model.parameters() if p.requires_grad], lr=rate)
    backbone.model.train()
    losses = []
    for _ in range(steps):
        loss = loss_of(backbone)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def reached(backbone: Backbone) -> dict[str, Tensor]:
    """Where each trainable element has a gradient under any of a few random weights.

    With one alone, a unit of a ReLU may be zero for every token, and layers before a zero get no gradient.
    """
    trained = {name: p for name, p in backbone.model.named_parameters() if p.requires_grad}
    found = {name: torch.zeros_like(p, dtype=torch.bool) for name, p in trained.items()}
    start = tensors(backbone)
    torch.manual_seed(0)
    for _ in range(12):
        with torch.no_grad():
            for name, parameter in backbone.model.named_parameters():
                parameter.copy_(start[name] + 0.3 * torch.randn_like(parameter))
        gradients = torch.autograd.grad(loss_of(backbone), list(trained.values()), allow_unused=True)
        for name, gradient in zip(found, gradients, strict=True):
            if gradient is not None:
                found[name] |= gradient != 0
    return found


def tensors(backbone: Backbone) -> dict[str, Tensor]:
    """Every parameter and buffer under its first name, copied."""
    model = backbone.model
    return {name: t.detach().clone() for name, t in [*model.named_parameters(), *model.named_buffers()]}


@pytest.fixture(params=methods.names())
def method(request: pytest.FixtureRequest) -> Method:
    return methods.build({"method": request.param})


def prepare(method: Method, backbone: Backbone) -> None:
    """Skips where this backbone cannot be had (but see test_methods_go_with_most_families)."""
    try:
        method.prepare(backbone)
    except BackboneError as error:
        pytest.skip(str(error))
    method.select(backbone, examples_of(backbone))


@pytest.fixture
def backbone(any_backbone: Backbone, method: Method) -> Backbone:
    """A backbone that the method has prepared."""
    prepare(method, any_backbone)
    return any_backbone


@pytest.fixture
def about(method: Method, backbone: Backbone) -> About:
    name = next(name for name in methods.names() if methods.get(name) is type(method))
    return About(step=3, backbone=backbone.name, adaptation={"name": name}, task="a-task", data_dir=".")


def weights_in(folder: Path) -> Path:
    (found,) = folder.glob("*.safetensors")
    return found


def declared(method: Method, backbone: Backbone) -> set[str]:
    return {name for name, _ in backbone.model.named_parameters() if method.trains(name, backbone)}


def test_methods_go_with_most_families(method: Method, backbone_of: Callable[[str], Backbone]) -> None:
    """Only bias vectors are what a family may lack."""
    for name in ("mbart", "nllb"):
        method.prepare(backbone_of(name))
    try:
        method.prepare(backbone_of("mt5"))
    except BackboneError as error:
        assert "no bias vectors" in str(error)


@pytest.mark.covering(1)
def test_frozen_parameters_and_buffers_stay_to_the_bit(method: Method, backbone: Backbone) -> None:
    before = tensors(backbone)
    train(backbone, STEPS)
    after = tensors(backbone)
    assert all(torch.equal(after[name], before[name]) for name in set(before) - declared(method, backbone))


@pytest.mark.spread(5)
def test_merged_outputs_are_equal(method: Method, backbone: Backbone) -> None:
    """Where a method can be merged, what is left is a plain model: no module is there that was not before."""
    train(backbone, STEPS)
    expected = logits(backbone)
    try:
        method.merge(backbone)
    except BackboneError:
        assert method.adds_modules
        return
    torch.testing.assert_close(logits(backbone), expected, rtol=1e-4, atol=1e-4)
    assert set(tensors(backbone)) == set(tensors(load(backbone.name)))


@pytest.mark.covering(1)
def test_exactly_the_declared_names_change(method: Method, backbone: Backbone) -> None:
    before = tensors(backbone)
    train(backbone, STEPS)
    changed = {name for name, tensor in tensors(backbone).items() if not torch.equal(tensor, before[name])}
    assert changed == declared(method, backbone)
    assert changed


@pytest.mark.covering(1)
def test_what_requires_a_gradient_is_what_is_declared(method: Method, backbone: Backbone) -> None:
    wanted = declared(method, backbone)
    parameters = dict(backbone.model.named_parameters())
    assert {name for name, p in parameters.items() if p.requires_grad} == wanted
    assert trainable_parameters(backbone.model) == sum(parameters[name].numel() for name in wanted)


# peft's table of a prefix, (virtual tokens, 2 layers x width): a slot of the width for each key and each value.
PREFIX = "prompt_encoder.default.embedding.weight"


def used_by_peft(backbone: Backbone) -> Tensor:
    """Which columns of its table peft uses: (2 layers x width).

    The table is doubled, layer l has slots 4 l to 4 l + 3 of that, for self- and cross-attention, and the model takes
    the first two (see adaptation/prefix.py).
    """
    layers, heads, head_dim = backbone.decoder_shape
    slots = torch.zeros(2 * layers, dtype=torch.bool)
    for layer in range(layers):
        for slot in (4 * layer, 4 * layer + 1):
            slots[slot % (2 * layers)] = True
    return slots.repeat_interleave(heads * head_dim)


@pytest.mark.spread(5)
def test_every_trainable_element_receives_a_gradient(backbone: Backbone) -> None:
    """But for rows of tables (tokens, positions, distances) that the batch does not use, and for what peft does not.

    Nor for the bias of attention's keys: softmax does not see a constant, so its gradient is zero up to rounding.
    """
    tables = {id(m.weight) for m in backbone.model.modules() if isinstance(m, nn.Embedding)}
    parameters = dict(backbone.model.named_parameters())
    for name, found in reached(backbone).items():
        if name.endswith("k_proj.bias"):
            continue
        if name == PREFIX:
            assert torch.equal(found, used_by_peft(backbone).expand_as(found))
            continue
        rows = found[found.any(1)] if id(parameters[name]) in tables else found
        assert len(rows) and rows.all(), f"{name}: {int((~rows).sum())} of {rows.numel()} elements have no gradient"


@pytest.mark.spread(5)
def test_tokens_of_the_batch_receive_a_gradient(method: Method, backbone: Backbone) -> None:
    """The rows that the test above lets pass are not those of tokens that are there."""
    table = backbone.model.get_input_embeddings().weight
    found = reached(backbone)
    names = {id(p): name for name, p in backbone.model.named_parameters()}
    if names[id(table)] in found:
        batch = batch_of(backbone)
        used = torch.cat([batch["input_ids"][batch["attention_mask"] == 1], batch["decoder_input_ids"][:, 1]]).unique()
        padding = backbone.tokenizer.pad_token_id
        assert found[names[id(table)]][used[used != padding]].all()


@pytest.mark.covering(1)
def test_a_step_lowers_the_loss_by_what_its_gradient_says(backbone: Backbone) -> None:
    """By ``rate * |gradient|^2`` to first order, at a rate for which that is a thousandth of the loss."""
    trained = [p for p in backbone.model.eval().parameters() if p.requires_grad]
    loss = loss_of(backbone)
    gradients = torch.autograd.grad(loss, trained)
    rate = 1e-3 * loss.item() / sum(float(gradient.square().sum()) for gradient in gradients)
    with torch.no_grad():
        for parameter, gradient in zip(trained, gradients, strict=True):
            parameter -= rate * gradient
        assert (loss - loss_of(backbone)).item() == pytest.approx(1e-3 * loss.item(), rel=0.03)


@pytest.mark.spread(4)
def test_each_of_a_few_steps_lowers_the_loss(backbone: Backbone) -> None:
    losses = train(backbone, 8)
    assert all(after < before for before, after in pairwise(losses))


@pytest.mark.spread(5)
def test_the_pretrained_weights_can_be_recovered(method: Method, any_backbone: Backbone) -> None:
    """Frozen parameters keep their exact values, and inserted ones are added."""
    before = tensors(any_backbone)
    prepare(method, any_backbone)
    train(any_backbone, STEPS)
    after = {method.pretrained_name(name): tensor for name, tensor in tensors(any_backbone).items()}
    trained = {method.pretrained_name(name) for name in declared(method, any_backbone)}
    assert set(before) <= set(after)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items() if name not in trained)
    if method.adds_modules:
        assert trained.isdisjoint(before)  # the whole pretrained model is still there
    else:
        assert set(before) == set(after)
    original = load(any_backbone.name)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors(original).items())


@pytest.mark.covering(1)
def test_save_and_load_give_equal_outputs(method: Method, backbone: Backbone, about: About, tmp_path: Path) -> None:
    untrained = logits(backbone)
    train(backbone, STEPS)
    expected = logits(backbone)
    assert not torch.equal(expected, untrained)
    save_checkpoint(tmp_path / "step-3", backbone, method, about)
    again, loaded, description = load_checkpoint(tmp_path / "step-3", languages=("en", "ru"))
    loaded.select(again, examples_of(again))
    assert torch.equal(logits(again), expected)
    assert type(loaded) is type(method) and description == about
    assert not again.model.training


@pytest.mark.covering(1)
def test_a_checkpoint_holds_what_was_trained(method: Method, backbone: Backbone, about: About, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "step-3", backbone, method, about)
    files = {path.name for path in (tmp_path / "step-3").iterdir()}
    assert "checkpoint.json" in files and all(name.endswith((".safetensors", ".json")) for name in files)
    with safe_open(weights_in(tmp_path / "step-3"), "pt") as saved:
        if method.whole_model:
            assert {"config.json", "tokenizer.json"} <= files
        else:
            kept = {name: p for name, p in backbone.model.named_parameters() if method.saves(name, backbone)}
            names = list(saved.keys())
            assert sum(saved.get_tensor(name).numel() for name in names) == sum(p.numel() for p in kept.values())
            assert declared(method, backbone) <= set(kept)


def another(method: Method, backbone: Backbone, backbone_of: Callable[[str], Backbone]) -> Backbone:
    """A prepared backbone of another family."""
    own = Path(backbone.name).name.removeprefix("u")
    for name in ("mt5", "nllb", "mbart"):
        other = backbone_of(name)
        try:
            method.prepare(other)
        except BackboneError:
            continue
        if name != own:
            return other
    raise AssertionError("it goes with one family only")


@pytest.mark.spread(4)
def test_state_of_another_backbone_or_method_is_refused(
    method: Method, backbone: Backbone, backbone_of: Callable[[str], Backbone]
) -> None:
    state = method.state(backbone)
    first = sorted(state)[0]
    with pytest.raises(BackboneError, match=f"another method or backbone: 1 names differ, first {first}"):
        method.load_state(backbone, {name: tensor for name, tensor in state.items() if name != first})
    with pytest.raises(BackboneError, match="1 names differ, first zzz"):
        method.load_state(backbone, {**state, "zzz": torch.zeros(2)})
    with pytest.raises(BackboneError, match=f"does not fit: {first} is "):
        method.load_state(backbone, {**state, first: torch.zeros(*state[first].shape, 2)})
    other = another(method, backbone, backbone_of)
    if {n: t.shape for n, t in method.state(other).items()} == {n: t.shape for n, t in state.items()}:
        # peft's names of a prefix are the same for all models of one size; the checkpoint's description has the model.
        assert list(declared(method, other)) == [PREFIX]
        return
    with pytest.raises(BackboneError, match=r"another method or backbone|does not fit"):
        method.load_state(other, state)


@pytest.mark.spread(4)
def test_a_truncated_checkpoint_is_refused(method: Method, backbone: Backbone, about: About, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "step-3", backbone, method, about)
    weights = weights_in(tmp_path / "step-3")
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(BackboneError, match="damaged or truncated"):
        load_checkpoint(tmp_path / "step-3")


@pytest.mark.spread(4)
def test_preparing_is_the_same_every_time(
    method: Method, backbone: Backbone, backbone_of: Callable[[str], Backbone]
) -> None:
    """Whatever was drawn before, so that a checkpoint and a resumed run start alike; and it disturbs no generator."""
    torch.manual_seed(123)
    state = torch.get_rng_state()
    other = backbone_of(Path(backbone.name).name)
    method.prepare(other)
    assert torch.equal(torch.get_rng_state(), state)
    first, second = tensors(backbone), tensors(other)
    assert set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.spread(11)
def test_wrong_options_are_refused(method: Method, about: About) -> None:
    with pytest.raises(ValueError, match="unknown key 'no_such_option'"):
        methods.build({**about.adaptation, "no_such_option": 1})
