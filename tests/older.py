"""Checkpoints as earlier versions of xlgen saved them."""

import json
from pathlib import Path


def forget_digests(folder: Path) -> None:
    """Take the digests of files out of ``checkpoint.json``: without them a changed file is not found by its content."""
    file = folder / "checkpoint.json"
    about = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({k: v for k, v in about.items() if k not in ("files", "backbone_files")}))
