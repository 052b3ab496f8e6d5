"""The one tiny backbone that runs train on."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_mt5(checkpoint: Callable[[str], Path]) -> Path:
    return checkpoint("mt5")
