"""Compiled steps against PyTorch's operations, in fp32 and bf16."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from torch import Tensor
from torch.nn import functional
from transformers.activations import GELUActivation, NewGELUActivation
from transformers.models.mt5.modeling_mt5 import MT5LayerNorm

from xlgen.kernels import numba_parts
from xlgen.kernels.arithmetic import AttentionModules, FeedForwardModules, OnTensors
from xlgen.kernels.compiled_arithmetic import OnArrays
from xlgen.kernels.decoder_steps import CHUNK, SOURCE, AttentionMask, KVCache, by_distance

DTYPES = (torch.float32, torch.bfloat16)
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 3e-2}


def assert_near(found: Tensor, wanted: Tensor) -> None:
    assert found.dtype == wanted.dtype
    tolerance = TOLERANCE[found.dtype]
    torch.testing.assert_close(found.float(), wanted.float(), rtol=tolerance, atol=tolerance)


@njit
def exponentials(numbers: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(numbers)):
        out[i] = numba_parts.exp(numbers[i])


def test_exp_is_exp() -> None:
    numbers = np.concatenate([np.linspace(-87, 88, 200_001), [-0.0, 0.0, 1e-30]]).astype(np.float32)
    out = np.empty_like(numbers)
    exponentials(numbers, out)
    exact = np.exp(numbers.astype(np.float64))
    assert np.max(np.abs(out - exact) / exact) < 3e-7
    exponentials(np.array([-np.inf, -1e9], np.float32), out[:2])
    assert (out[:2] < 1e-37).all()


def norm_by(states: Tensor, module: torch.nn.Module, update: Tensor | None = None) -> Tensor:
    operations = OnArrays(states.dtype)
    added = None if update is None else operations.value(update)
    return operations.tensor(operations.norm(module)(operations.value(states), added))


@given(st.integers(0, 2**31), st.integers(1, 70))
@settings(max_examples=20, deadline=None)
def test_bf16_is_rounded_as_pytorch_rounds(seed: int, width: int) -> None:
    torch.manual_seed(seed)
    states, module = torch.randn(5, width).bfloat16(), MT5LayerNorm(width, 1e-6).bfloat16()
    wanted = functional.rms_norm(states.float(), (width,), module.weight.float(), 1e-6)
    found = norm_by(states, module)
    assert (found == wanted.bfloat16()).float().mean() > 0.98  # sums in another order, then ties


@pytest.mark.parametrize("dtype", DTYPES)
@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 70), st.booleans())
@settings(max_examples=25, deadline=None)
def test_norms(dtype: torch.dtype, seed: int, rows: int, width: int, added: bool) -> None:
    torch.manual_seed(seed)
    for module in (MT5LayerNorm(width, 1e-6), torch.nn.LayerNorm(width)):
        module = module.to(dtype)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(torch.randn(width))
        states, update = torch.randn(2, rows, width).to(dtype)
        together = states + update if added else states.clone()
        found = norm_by(states, module, update if added else None)
        assert torch.equal(states, together)  # in place
        with torch.no_grad():
            wanted = module.float()(together.float()).to(dtype)
        # Of a single number, the usual norm is 0 divided by the root of epsilon.
        torch.testing.assert_close(found.float(), wanted.float(), rtol=0, atol=1e-4 if dtype == torch.float32 else 0.1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_activations(dtype: torch.dtype) -> None:
    """Over the whole range of fp32's exponentials, and outside."""
    numbers = torch.cat([torch.linspace(-12, 12, 10_001), torch.tensor([-100.0, 100.0, -0.0, 1e-30])]).to(dtype)
    operations = OnArrays(dtype)
    rounding = 2e-6 if dtype == torch.float32 else 0.04
    found = operations.tensor(operations.activation(GELUActivation())(operations.value(numbers.clone()[:, None])))
    torch.testing.assert_close(found[:, 0].double(), functional.gelu(numbers.double()), rtol=0, atol=rounding)
    both = torch.stack([numbers, torch.full_like(numbers, 2)], dim=1)
    found = operations.tensor(operations.gate(NewGELUActivation())(operations.value(both)))
    wanted = 2 * functional.gelu(numbers.double(), approximate="tanh")
    torch.testing.assert_close(found[:, 0].double(), wanted, rtol=0, atol=2 * rounding)


@pytest.mark.spread(1)
@pytest.mark.parametrize("dtype", DTYPES)
@given(
    st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.sampled_from([1, 8, 32, 40, 64]),
    st.integers(0, 80), st.booleans(), st.sampled_from([1.0, 0.25])
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_attention_to_what_was_before(
    dtype: torch.dtype, seed: int, inputs: int, beams: int, heads: int, dim: int, column: int, one: bool, scale: float
) -> None:
    torch.manual_seed(seed)
    columns = (column + CHUNK) // CHUNK * CHUNK
    joined = torch.randn(inputs * beams, 3 * heads * dim).to(dtype)
    query, key, value = joined.view(inputs, beams, 3, heads, dim).unbind(2)
    keys, values = torch.randn(2, inputs, columns, beams, heads, dim).to(dtype)
    slots = torch.randint(0, beams, (inputs, beams, columns))
    slots[:, :, column] = torch.arange(beams)
    first = torch.randint(0, column + 1, (inputs,))
    bias = torch.randn(1 if one else heads, columns + 5).to(dtype)
    past = keys.permute(0, 3, 4, 1, 2).contiguous(), values.flatten(3).clone()
    memory = KVCache([past], [], SOURCE, torch.zeros(inputs, 0), first, slots)
    seen = AttentionMask(bias, memory, column, column + 5)
    operations = OnArrays(dtype)
    found = operations.tensor(operations.attend_past(operations.value(joined), memory, 0, seen, scale))
    keys[:, column], values[:, column] = key, value
    assert torch.equal(past[0].permute(0, 3, 4, 1, 2), keys) and torch.equal(past[1], values.flatten(3))
    wanted = torch.empty(inputs, beams, heads, dim)
    for i in range(inputs):
        for b in range(beams):
            visible = range(int(first[i]), column + 1)
            k = torch.stack([keys[i, c, slots[i, b, c]] for c in visible]).float()  # (columns, heads, dim)
            v = torch.stack([values[i, c, slots[i, b, c]] for c in visible]).float()
            scores = torch.einsum("hd,chd->hc", query[i, b].float(), k) * scale
            wanted[i, b] = torch.einsum("hc,chd->hd", (scores + bias[:, 5:][:, visible]).softmax(-1), v)
    assert_near(found, wanted.view(found.shape).to(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.sampled_from([1, 8, 32, 40, 64]),
    st.integers(1, 70), st.sampled_from([1.0, 0.25])
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_attention_to_the_source(
    dtype: torch.dtype, seed: int, inputs: int, beams: int, heads: int, dim: int, source: int, scale: float
) -> None:
    torch.manual_seed(seed)
    width = heads * dim
    query, states = torch.randn(inputs * beams, width).to(dtype), torch.randn(inputs, source, width).to(dtype)
    mask = torch.full((inputs, (source + CHUNK - 1) // CHUNK * CHUNK), -torch.inf)
    for i, length in enumerate(torch.randint(1, source + 1, (inputs,)).tolist()):
        mask[i, :length] = 0
    key, value = (torch.nn.Linear(width, width).to(dtype) for _ in range(2))
    nowhere, slots = torch.zeros(inputs, dtype=torch.long), torch.zeros((inputs, beams, CHUNK), dtype=torch.long)
    past = torch.zeros(inputs, heads, dim, CHUNK, beams).to(dtype), torch.zeros(inputs, CHUNK, beams, width).to(dtype)
    found = []
    for operations in (OnArrays(dtype), OnTensors()):
        with torch.inference_mode():
            pair = operations.source(key, value, heads)(states)
            shown = mask[:, : pair[1].shape[2]]  # only arrays are padded
            memory = KVCache([past], [pair], operations.source_layout, shown, nowhere, slots)
            attended = operations.attend_source(operations.value(query), memory, 0, scale)  # type: ignore[arg-type]
            found.append(operations.tensor(attended))  # type: ignore[arg-type]
    assert_near(*found)


@pytest.mark.parametrize("kind", ["t5", "bart", "relu"])
@given(st.integers(0, 2**31), st.integers(1, 40), st.sampled_from([(3, 8, 20), (2, 16, 48), (1, 40, 33), (2, 32, 64)]))
@settings(max_examples=15, deadline=None)
def test_blocks(kind: str, seed: int, inputs: int, shape: tuple[int, int, int]) -> None:
    """A block in one call gives what its modules give one after the other, whatever the sizes are a multiple of."""
    torch.manual_seed(seed)
    heads, dim, inner = shape
    width, t5 = heads * dim, kind == "t5"

    def linear(size: int, outputs: int) -> torch.nn.Linear:
        return torch.nn.Linear(size, outputs, bias=not t5)

    norm = MT5LayerNorm(width) if t5 else torch.nn.LayerNorm(width)
    maps, output = tuple(linear(width, width) for _ in range(3)), linear(width, width)
    activation = {"t5": NewGELUActivation(), "bart": GELUActivation(), "relu": torch.nn.ReLU()}[kind]
    into = tuple(linear(width, inner) for _ in range(2 if t5 else 1))
    hidden, update = torch.randn(2, inputs, width)
    key, value, states = linear(width, width), linear(width, width), torch.randn(inputs, 7, width)
    found = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for operations in (OnArrays(torch.float32), OnTensors()):
            with torch.inference_mode():
                pair = operations.source(key, value, heads)(states)
                mask = torch.zeros(inputs, pair[1].shape[2]).masked_fill_(
                    torch.arange(pair[1].shape[2]) > 6, -torch.inf
                )
                past = torch.zeros(inputs, heads, dim, CHUNK, 1), torch.zeros(inputs, CHUNK, 1, width)
                slots, first = torch.zeros((inputs, 1, CHUNK), dtype=torch.long), torch.zeros(inputs, dtype=torch.long)
                memory = KVCache([past], [pair], operations.source_layout, mask, first, slots)
                seen = AttentionMask(by_distance(torch.zeros(1, 10)), memory, 0, 9)
                block = torch.nn.Identity()
                own = operations.self_attention(AttentionModules(norm, block, maps, output, 0.5))
                cross = operations.cross_attention(AttentionModules(norm, block, maps[:1], output, 0.5))
                feed = operations.feed_forward(
                    FeedForwardModules(norm, block, into, activation, linear_of(output, inner))
                )
                rows, change = operations.value(hidden.clone()), operations.value(update.clone())
                change = own(rows, change, memory, 0, seen)  # type: ignore[arg-type]
                change = cross(rows, change, memory, 0)  # type: ignore[arg-type]
                change = feed(rows, change)  # type: ignore[arg-type]
                found.append((operations.tensor(rows), operations.tensor(change)))  # type: ignore[arg-type]
    finally:
        torch.set_num_threads(threads)
    for mine, plain in zip(*found, strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-4)


def linear_of(output: torch.nn.Linear, inputs: int) -> torch.nn.Linear:
    """A linear map to the outputs of another one, with the same numbers each time."""
    torch.manual_seed(1)
    return torch.nn.Linear(inputs, output.out_features, bias=output.bias is not None)
