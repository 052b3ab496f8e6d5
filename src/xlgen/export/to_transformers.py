"""Plain checkpoints for ``transformers``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from xlgen.adaptation.base import Method
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.export import Decode, Format, Requests, formats, without_end
from xlgen.generation.decode import hypotheses
from xlgen.generation.decoding import Decoding


def greedily(backbone: Backbone, engine: Literal["xlgen", "transformers"] = "xlgen") -> Decode:
    """Greedy decoding with a backbone."""

    def decode(requests: Requests, new_tokens: int) -> list[tuple[int, ...]]:
        sources, languages = [ids for ids, _ in requests], [code for _, code in requests]
        found = hypotheses(backbone, sources, languages, Decoding(new_tokens, engine=engine))
        return [without_end(best[0].tokens, backbone) for best in found]

    return decode


@formats.register("transformers")
class ToTransformers(Format):
    """A folder for `from_pretrained`: model.safetensors with what was trained merged in, config and tokenizer."""

    def write(self, backbone: Backbone, method: Method, checkpoint: Path, folder: Path) -> None:
        """See :class:`Format`. Raises BackboneError for a method that cannot be merged."""
        method.merge(backbone)
        backbone.model.save_pretrained(folder)
        backbone.tokenizer.save_pretrained(folder)
        # Families are told apart by the tokenizer's class, where one model type serves several.
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config.setdefault("decoder_start_token_id", backbone.start_token)
        if config["decoder_start_token_id"] is None:
            config["decoder_start_token_id"] = backbone.start_token
        (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False), encoding="utf-8")

    def open(self, folder: Path, backbone: Backbone) -> Decode:
        """Loaded as any other checkpoint."""
        return greedily(loading.load(str(folder), allow_unknown=True))
