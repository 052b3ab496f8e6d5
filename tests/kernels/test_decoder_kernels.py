"""Compiled steps against PyTorch's operations, in fp32 and bf16."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from torch import Tensor
from torch.nn import functional

from xlgen.kernels import decoder_kernels, numba_parts

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


@given(st.integers(0, 2**31), st.integers(1, 70))
@settings(max_examples=20, deadline=None)
def test_bf16_is_rounded_as_pytorch_rounds(seed: int, width: int) -> None:
    torch.manual_seed(seed)
    states, weight = torch.randn(5, 1, width).bfloat16(), torch.rand(width).bfloat16()
    wanted = functional.rms_norm(states.float(), (width,), weight.float(), 1e-6)
    found = decoder_kernels.rms_norm(states, weight, 1e-6)
    assert (found == wanted.bfloat16()).float().mean() > 0.98  # sums in another order, then ties


@pytest.mark.spread(1)
@pytest.mark.parametrize("dtype", DTYPES)
@given(
    st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(1, 40),
    st.integers(0, 50), st.booleans()
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_attention_to_what_was_before(
    dtype: torch.dtype, seed: int, inputs: int, beams: int, heads: int, dim: int, column: int, one_bias: bool
) -> None:
    torch.manual_seed(seed)
    columns = column + 3
    query, key, value = torch.randn(3, inputs * beams, 1, heads * dim).to(dtype)
    keys, values = torch.randn(2, inputs, columns, beams, heads, dim).to(dtype)
    slots = torch.randint(0, beams, (inputs, beams, columns))
    slots[:, :, column] = torch.arange(beams)
    first = torch.randint(0, column + 1, (inputs,))
    bias = torch.randn(1 if one_bias else heads, columns).to(dtype)
    found = decoder_kernels.attend_past(query, key, value, (keys, values), slots, first, bias, column)
    shape = (inputs, beams, heads, dim)
    assert torch.equal(keys[:, column], key.view(shape)) and torch.equal(values[:, column], value.view(shape))
    wanted = torch.empty(shape)
    for i in range(inputs):
        for b in range(beams):
            seen = range(int(first[i]), column + 1)
            k = torch.stack([keys[i, c, slots[i, b, c]] for c in seen]).float()  # (columns, heads, dim)
            v = torch.stack([values[i, c, slots[i, b, c]] for c in seen]).float()
            scores = torch.einsum("hd,chd->hc", query.view(shape)[i, b].float(), k) + bias[:, first[i] : column + 1]
            wanted[i, b] = torch.einsum("hc,chd->hd", scores.softmax(-1), v)
    assert_near(found, wanted.view(query.shape).to(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(1, 40),
    st.integers(1, 70), st.sampled_from([1.0, 0.25])
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_attention_to_the_source(
    dtype: torch.dtype, seed: int, inputs: int, beams: int, heads: int, dim: int, source: int, scale: float
) -> None:
    torch.manual_seed(seed)
    query = torch.randn(inputs * beams, 1, heads * dim).to(dtype)
    keys, values = torch.randn(2, inputs, heads, source, dim).to(dtype)
    mask = torch.zeros(inputs, source)
    for i, length in enumerate(torch.randint(1, source + 1, (inputs,)).tolist()):
        mask[i, length:] = -torch.inf
    found = decoder_kernels.attend_source(query, (keys, values), mask, scale)
    own = query.view(inputs, beams, heads, dim).transpose(1, 2).float()
    scores = own @ keys.float().transpose(2, 3) * scale + mask[:, None, None]
    wanted = (scores.softmax(-1) @ values.float()).transpose(1, 2).reshape(query.shape)
    assert_near(found, wanted.to(dtype))
