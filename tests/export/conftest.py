"""A checkpoint to export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import methods
from xlgen.backbones import loading

Make = Callable[[str, dict[str, Any]], Path]


@pytest.fixture
def trained(tmp_path: Path, checkpoint: Callable[[str], Path]) -> Make:
    """A checkpoint of a run: a family and a method, whose weights have moved."""

    def make(family: str, config: dict[str, Any]) -> Path:
        name = str(checkpoint(family))
        backbone, method = loading.load(name), methods.build(config)
        method.prepare(backbone)
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in backbone.model.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        folder = tmp_path / "run" / "checkpoints" / "step-3"
        store.save_checkpoint(folder, backbone, method, store.About(3, name, config, "pocket-summaries", "."))
        return folder

    return make
