"""Put a pretrained pocket backbone into the package, at half precision: ``python -m xlgen.pocket.ship RUN NAME``."""

from __future__ import annotations

import sys
from pathlib import Path

from xlgen.core.run_layout import CHECKPOINTS

_HERE = Path(__file__).parent / "backbones"
_LARGEST = 12_000_000
_MOST_PARAMETERS = 6_000_000


def main() -> None:
    """Copy the newest checkpoint of a pretraining run. Exits with a message if it exceeds the limits."""
    import torch
    from safetensors.torch import load_file, save_file

    run, name = Path(sys.argv[1]), sys.argv[2]
    newest = max((run / CHECKPOINTS).glob("step-*"), key=lambda path: int(path.name.split("-")[1]))
    weights = load_file(newest / "model.safetensors")
    if (count := sum(tensor.numel() for tensor in weights.values())) > _MOST_PARAMETERS:
        sys.exit(f"{count} parameters are more than {_MOST_PARAMETERS}")
    target = _HERE / name / "model.safetensors"
    # Half precision is for the file alone: weights are always loaded in fp32.
    save_file({key: value.to(torch.float16) for key, value in weights.items()}, target, metadata={"format": "pt"})
    size = sum(path.stat().st_size for path in target.parent.iterdir())
    if size > _LARGEST:
        sys.exit(f"{target.parent} has {size} bytes, more than {_LARGEST}")
    print(f"{newest} -> {target}: {count} parameters, {size} bytes with the tokenizer")


if __name__ == "__main__":
    main()
