"""Gradients of embeddings that are added in place: those of autograd, whatever was there before."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from xlgen.backbones.base import Backbone
from xlgen.backbones.training_modules import _linear, make_faster
from xlgen.data.examples import EncodedExample
from xlgen.kernels.embedding_gradients import (
    _Embedding,
    clip_norm,
    direct_gradients,
    embedding,
    gradient_memory,
    release,
)
from xlgen.training.loop import token_loss


@pytest.mark.parametrize("padding", [None, 2])
def test_it_is_autograds_in_step_after_step(padding: int | None) -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Embedding(30, 4, padding_idx=padding), nn.Embedding(30, 4, padding_idx=padding)
    theirs.load_state_dict(ours.state_dict())
    for _ in range(3):
        for _ in range(2):  # twice a step: an encoder's and a decoder's use
            ids, upstream = torch.randint(0, 30, (3, 5)), torch.randn(3, 5, 4)
            with direct_gradients():
                found = embedding(ids, ours)
            assert torch.equal(found, theirs(ids))
            found.backward(upstream)
            theirs(ids).backward(upstream)
        torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
        ours.zero_grad()
        theirs.zero_grad()
    release(ours.parameters())
    assert not hasattr(ours.weight, "kept_gradient")


def test_outside_it_is_autograd_that_gets_the_gradient() -> None:
    module = nn.Embedding(5, 3)
    (gradient,) = torch.autograd.grad(embedding(torch.tensor([1, 1]), module).sum(), [module.weight])
    assert gradient[1].tolist() == [2, 2, 2] and module.weight.grad is None


@pytest.mark.parametrize("limit", [0.01, 1e9])
def test_clipping_is_pytorchs(limit: float) -> None:
    torch.manual_seed(0)
    modules = nn.ModuleList([nn.Embedding(50, 4), nn.Linear(4, 3), nn.Linear(3, 3)])
    with direct_gradients():
        modules[1](embedding(torch.tensor([3, 7, 7]), modules[0])).sum().backward()
    wanted = copy.deepcopy(modules)
    for mine, theirs in zip(modules.parameters(), wanted.parameters(), strict=True):
        theirs.grad = None if mine.grad is None else mine.grad.clone()
    norm = torch.nn.utils.clip_grad_norm_(wanted.parameters(), limit)
    torch.testing.assert_close(clip_norm(modules.parameters(), limit), norm)
    for mine, theirs in zip(modules.parameters(), wanted.parameters(), strict=True):
        assert (mine.grad is None) == (theirs.grad is None)
        if mine.grad is not None:
            torch.testing.assert_close(mine.grad, theirs.grad)


def test_memory_in_use_is_not_given_again() -> None:
    weight = nn.Parameter(torch.zeros(3, 2))
    with direct_gradients():
        first = gradient_memory(weight)
        assert gradient_memory(weight).data_ptr() == first.data_ptr()
        weight.grad = first
        assert gradient_memory(weight).data_ptr() != first.data_ptr()


def losses(backbone: Backbone, direct: bool) -> dict[str, torch.Tensor]:
    """The gradients of two micro-batches, the second step's."""
    backbone = copy.deepcopy(backbone)
    make_faster(backbone)
    model = backbone.model.train()
    code = backbone.languages[0]
    for _ in range(2):
        model.zero_grad()
        for micro in range(2):
            examples = [
                EncodedExample(
                    backbone.source(list(range(20, 23 + i + micro)), code), backbone.target([9 + i] * 3, code), code
                )
                for i in range(3)
            ]
            with direct_gradients(direct):
                loss = token_loss(model, backbone.collate(examples), 0.0, 0.5)
            loss.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.spread(1)
@pytest.mark.parametrize("tied", [False, True])
def test_a_models_gradients_are_the_same(any_backbone: Backbone, tied: bool, monkeypatch: Any) -> None:
    model = any_backbone.model
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    head.weight = table.weight if tied else nn.Parameter(head.weight.detach() * 1.1)
    used: list[torch.Tensor] = []
    plain = _Embedding.backward
    monkeypatch.setattr(_Embedding, "backward", lambda ctx, *up: (used.append(up[0]), plain(ctx, *up))[1])
    wanted = losses(any_backbone, False)
    assert not used
    found = losses(any_backbone, True)
    # Twice in each of two micro-batches of two steps. Tied tables, and those of mBART that scale, are autograd's.
    scaled = any_backbone.model.config.model_type in ("mbart", "m2m_100")
    assert len(used) == (0 if tied or scaled else 8)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(5, 7), (2, 3, 7), (0, 7)])
def test_a_linear_map_and_its_gradients(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    module, states = nn.Linear(7, 4, bias=bias), torch.randn(shape, requires_grad=True)
    upstream = torch.randn(*shape[:-1], 4)
    found, wanted = _linear(module, states), module(states)
    torch.testing.assert_close(found, wanted)
    inputs = (states, *module.parameters())
    for mine, theirs in zip(
        torch.autograd.grad(found, inputs, upstream), torch.autograd.grad(wanted, inputs, upstream), strict=True
    ):
        torch.testing.assert_close(mine, theirs)
