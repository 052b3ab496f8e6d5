"""Whole and trimmed checkpoints, each made once for a test run's process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from trimming import models


@pytest.fixture(scope="session")
def whole_model(
    hub_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of a small checkpoint, of ``models.KINDS``; copy it to change it."""
    found: dict[str, Path] = {}

    def find(kind: str) -> Path:
        if kind not in found:
            found[kind] = models.make(kind, tmp_path_factory.mktemp("whole") / kind, hub_checkpoint)
        return found[kind]

    return find


@pytest.fixture(scope="session")
def trimmed_model(
    whole_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of that checkpoint with the tokens of some texts in 13 languages."""
    found: dict[str, Path] = {}

    def find(kind: str) -> Path:
        if kind not in found:
            found[kind] = tmp_path_factory.mktemp("trimmed") / kind
            models.trimmed(whole_model(kind), found[kind])
        return found[kind]

    return find
