"""Plain checkpoints for ``transformers``."""

from __future__ import annotations

import json
from pathlib import Path

from xlgen.adaptation.base import Method
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.export import Decode, Format, formats, greedily


@formats.register("transformers")
class ToTransformers(Format):
    """A folder for `from_pretrained`: model.safetensors with what was trained merged in, config and tokenizer."""

    def write(self, backbone: Backbone, method: Method, checkpoint: Path, folder: Path) -> None:
        """See :class:`Format`. Raises BackboneError for a method that cannot be merged."""
        method.merge(backbone)
        backbone.model.save_pretrained(folder)
        backbone.tokenizer.save_pretrained(folder)
        # Some configs leave it open, and whoever opens the folder has to know it.
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["decoder_start_token_id"] = backbone.start_token
        (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False), encoding="utf-8")

    def open(self, folder: Path, backbone: Backbone) -> Decode:
        """Loaded as any other checkpoint."""
        return greedily(loading.load(str(folder), allow_unknown=True))
