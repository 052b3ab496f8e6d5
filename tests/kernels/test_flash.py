"""Attention in blocks against its definition, gradients and all."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from xlgen.kernels import flash, tiles
from xlgen.kernels.attention import _Attention
from xlgen.kernels.thread_pool import parts_of

TOLERANCE = {torch.float32: 3e-5, torch.bfloat16: 5e-2}


@given(
    st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 3), st.integers(0, 70), st.booleans(), st.booleans()
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_products_of_tiles(seed: int, down: int, across: int, depth: int, turned: bool, fresh: bool) -> None:
    dice = np.random.default_rng(seed)
    rows, columns = down * tiles.ROWS, across * tiles.COLUMNS
    a = dice.standard_normal((rows, depth)).astype(np.float32)
    b = dice.standard_normal((depth, columns)).astype(np.float32)
    c = dice.standard_normal((rows, columns)).astype(np.float32)
    wanted = a @ b + (0 if fresh else c)
    left = a.T.copy() if turned else a
    a_row, a_step = (1, rows) if turned else (depth, 1)
    tiles.matmul(
        c.reshape(-1), columns, left.reshape(-1), a_row, a_step, b.reshape(-1), columns, rows, columns, depth, fresh
    )
    np.testing.assert_allclose(c, wanted, rtol=1e-4, atol=1e-4)


def reference(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor, scale: float, kept: Tensor | None = None
) -> Tensor:
    chances = (query @ key.transpose(2, 3) * scale + bias + mask).softmax(-1)
    return ((chances if kept is None else chances * kept) @ value).transpose(1, 2)


def masks(kind: str, batch: int, target: int, source: int) -> Tensor:
    """Some keys are hidden at the end; from all queries at once, or by a matrix that is causal too."""
    lengths = torch.randint(1, source + 1, (batch, 1, 1, 1))
    hidden = torch.arange(source) >= lengths
    if kind == "causal":
        hidden = hidden | (torch.arange(source) > torch.arange(target)[:, None] + source - 1)
    found = torch.zeros(hidden.shape)
    return found.masked_fill(hidden, torch.finfo(torch.float32).min if kind == "lowest" else -torch.inf)


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", TOLERANCE)
@given(
    st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 3), st.integers(1, 150), st.integers(1, 70),
    st.integers(1, 40), st.sampled_from(["lowest", "infinite", "causal"]), st.booleans()
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_outputs_and_gradients(
    dtype: torch.dtype, seed: int, batch: int, heads: int, target: int, source: int, dim: int, kind: str, biased: bool
) -> None:
    torch.manual_seed(seed)
    states = [torch.randn(batch, n, heads, dim).to(dtype).transpose(1, 2) for n in (target, source, source)]
    mask = masks(kind, batch, target, source)
    bias = torch.randn(1, heads, target, source) if biased else None
    upstream = torch.randn(batch, target, heads, dim).to(dtype)
    inputs = [each.detach().requires_grad_() for each in (*states, *([] if bias is None else [bias]))]
    found = _Attention.apply(*inputs[:3], inputs[3] if biased else None, mask, 0.7, 0.0)
    wide = [each.detach().float().requires_grad_() for each in inputs]
    wanted = reference(*wide[:3], wide[3] if biased else torch.zeros(1), mask, 0.7)  # type: ignore[arg-type]
    assert found.dtype == dtype
    pairs = [(found, wanted)]
    pairs += zip(
        torch.autograd.grad(found, inputs, upstream), torch.autograd.grad(wanted, wide, upstream.float()), strict=True
    )
    # Where large numbers cancel, what is left is as far off as those: one key alone has no gradient but rounding.
    size = max(float(theirs.detach().norm()) for _, theirs in pairs)
    for mine, theirs in pairs:
        assert float((mine.detach().float() - theirs.detach()).norm()) <= TOLERANCE[dtype] * (1 + size)


def kept_by(settings: flash.FlashSettings, batch: int, heads: int, target: int, source: int) -> Tensor:
    """What each probability is multiplied by: all keys are attended to alike, and each has a value of its own."""
    zeros = torch.zeros(batch, heads, target, source)
    values = torch.eye(source).expand(batch, heads, source, source)
    keys = torch.zeros(batch, heads, source, source)
    nothing = torch.zeros(1, 1, 1, source)
    out, _ = flash.forward(zeros, keys, values, nothing, nothing, settings)
    return out.transpose(1, 2) * source


@pytest.mark.exhaustive
def test_dropout_leaves_out_a_share_and_the_gradients_know_which() -> None:
    torch.manual_seed(0)
    batch, heads, target, source = 2, 3, 70, 90
    drawn = flash.FlashSettings(1.0, 0.3, 12345)
    kept = kept_by(drawn, batch, heads, target, source)
    share = float((kept == 0).float().mean())
    assert share == pytest.approx(0.3, abs=0.01)
    torch.testing.assert_close(kept[kept > 0], torch.full_like(kept[kept > 0], 1 / 0.7))
    assert torch.equal(kept, kept_by(drawn, batch, heads, target, source))
    assert not torch.equal(kept, kept_by(flash.FlashSettings(1.0, 0.3, 12346), batch, heads, target, source))
    states = [torch.randn(batch, n, heads, 8).transpose(1, 2).requires_grad_() for n in (target, source, source)]
    bias, mask = torch.randn(1, heads, target, source).requires_grad_(), torch.zeros(1, 1, 1, source)
    out, reduced = flash.forward(*(t.detach() for t in (*states, bias, mask)), drawn)  # type: ignore[call-arg]
    wanted = reference(*states, bias, mask, 1.0, kept)  # type: ignore[arg-type]
    torch.testing.assert_close(out, wanted, rtol=1e-4, atol=1e-5)
    upstream = torch.randn(out.shape)
    given = [t.detach() for t in (*states, bias, mask)]
    for mine, theirs in zip(
        flash.backward(given, drawn, out, reduced, upstream, True),
        torch.autograd.grad(wanted, [*states, bias], upstream),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def test_rows_and_heads_are_left_out_independently() -> None:
    kept = kept_by(flash.FlashSettings(1.0, 0.5, 7), 2, 2, 64, 512) > 0
    rows = kept.flatten(0, 2).float() - 0.5
    agreement = rows @ rows.T / (0.25 * rows.shape[1])
    agreement.fill_diagonal_(0)
    assert float(agreement.abs().max()) < 0.25  # 5.7 standard deviations; 33,000 pairs
    along = (rows[:, 1:] * rows[:, :-1]).mean() / 0.25
    assert abs(float(along)) < 0.02


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_share_the_heads(threads: int) -> None:
    torch.manual_seed(0)
    states = [torch.randn(2, 21, 5, 8).transpose(1, 2).requires_grad_() for _ in range(3)]
    bias = torch.randn(1, 5, 21, 21).requires_grad_()
    before = torch.get_num_threads()
    found = []
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            assert parts_of(10) == count
            torch.manual_seed(1)
            out = _Attention.apply(*states, bias, None, 1.0, 0.2)
            found.append((out, *torch.autograd.grad(out.square().sum(), [*states, bias])))
    finally:
        torch.set_num_threads(before)
    for alone, shared in zip(*found, strict=True):
        torch.testing.assert_close(alone, shared, rtol=1e-4, atol=1e-5)


def test_states_of_other_sizes_are_refused() -> None:
    query, key, nothing = torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 5, 4), torch.zeros(1, 1, 1, 5)
    for value in (torch.zeros(1, 2, 5, 8), torch.zeros(1, 2, 6, 4), torch.zeros(1, 1, 5, 4)):
        with pytest.raises(ValueError, match="fit"):
            flash.forward(query, key, value, nothing, nothing, flash.FlashSettings(1.0))


@pytest.mark.spread(1)
@pytest.mark.parametrize("asked", range(4))
def test_what_no_gradient_is_asked_of_gets_none(asked: int) -> None:
    given = [torch.randn(1, 2, 3, 4).requires_grad_(asked == place) for place in range(3)]
    bias = torch.randn(1, 2, 3, 3).requires_grad_(asked == 3)
    _Attention.apply(*given, bias, None, 1.0, 0.0).sum().backward()
    assert [each.grad is not None for each in (*given, bias)] == [asked == place for place in range(4)]
