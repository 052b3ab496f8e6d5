"""Adapters in the format of the peft library."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from xlgen.adaptation.base import Method
from xlgen.adaptation.through_peft import import_peft
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.evaluation.export import Decode, Format, formats, generator
from xlgen.runs.checkpoint_description import read_about

_FILES = ("adapter_model.safetensors", "adapter_config.json")


@formats.register("peft")
class ToPeft(Format):
    """A folder for `PeftModel.from_pretrained`: adapter_model.safetensors and adapter_config.json."""

    def write(self, backbone: Backbone, method: Method, checkpoint: Path, folder: Path) -> None:
        """See :class:`Format`. Raises BackboneError for a method that peft does not have."""
        missing = [name for name in _FILES if not (checkpoint / name).exists()]
        if missing:
            raise BackboneError(
                f"{checkpoint} was not trained through peft (it has no {missing[0]}); export to transformers"
            )
        if read_about(checkpoint).init == "random":
            raise BackboneError(
                f"{checkpoint} starts from random weights, which peft cannot load; export to transformers"
            )
        if backbone.trim is not None and backbone.trim.by == "recipe":
            raise BackboneError(
                f"{checkpoint} was trained on a vocabulary that its recipe trims, and peft would load the whole "
                f"{backbone.name}; export to transformers, or train on a folder of `xlgen trim`"
            )
        for name in _FILES:
            shutil.copyfile(checkpoint / name, folder / name)
        config = json.loads((folder / _FILES[1]).read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = loading.resolve(backbone.name)
        (folder / _FILES[1]).write_text(json.dumps(config, indent=2, ensure_ascii=False), encoding="utf-8")

    def open(self, folder: Path, backbone: Backbone) -> Decode:
        """Load the pretrained backbone with peft, and decode with the transformers library."""
        peft = import_peft()
        fresh = loading.load(backbone.name, allow_unknown=True)
        fresh.model = peft.PeftModel.from_pretrained(fresh.model, folder)
        fresh.reserved_source, fresh.reserved_target = backbone.reserved_source, backbone.reserved_target
        return generator(fresh, "transformers")
