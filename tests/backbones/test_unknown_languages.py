"""Languages that the backbone was not pretrained on: refused, unless the recipe allows them and no code is needed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from xlgen.backbones.base import BackboneError
from xlgen.backbones.loading import load


def test_refused_by_default(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(BackboneError, match="does not know"):
        load(str(checkpoint("mt5")), languages=("gsw",))


def test_allowed_where_no_code_is_needed(checkpoint: Callable[[str], Path]) -> None:
    backbone = load(str(checkpoint("mt5")), languages=("gsw",), allow_unknown=True)
    assert "gsw" not in backbone.languages


@pytest.mark.parametrize("name", ["mbart", "nllb"])
def test_a_family_with_codes_refuses_in_any_case(name: str, checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(BackboneError, match="does not know"):
        load(str(checkpoint(name)), languages=("gsw",), allow_unknown=True)
