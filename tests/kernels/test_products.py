"""Linear maps by oneDNN: the library's results, on processors that lack instructions too."""

import pytest
import torch
from torch.nn import functional

from xlgen.kernels import products
from xlgen.kernels.products import packs_bf16, product


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("packs", [True, False])
def test_products_are_the_librarys(dtype: torch.dtype, packs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor without AVX-512 packs no bf16 weights, and multiplies them all the same."""
    if not packs:
        monkeypatch.setattr(products, "packs_bf16", lambda: False)
        monkeypatch.setattr(products, "onednn_is_faster", lambda: False)
    torch.manual_seed(0)
    weight, bias = torch.randn(48, 32).to(dtype), torch.randn(48).to(dtype)
    with torch.no_grad():
        multiplied = product(weight, bias)
        for rows in (1, 7, 200):
            inputs = torch.randn(rows, 32).to(dtype)
            wanted = functional.linear(inputs.double(), weight.double(), bias.double())
            rounding = 0.1 if dtype == torch.bfloat16 else 1e-5
            torch.testing.assert_close(multiplied(inputs).double(), wanted, rtol=rounding / 10, atol=rounding)


def test_where_packing_raises_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*given: object) -> None:
        raise RuntimeError("bf16 path needs the cpu support")

    packs_bf16.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(products, "_onednn_is_there", lambda: True)
            patch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", refuses, raising=False)
            assert not packs_bf16()
    finally:
        packs_bf16.cache_clear()
