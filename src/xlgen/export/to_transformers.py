"""Plain checkpoints for ``transformers``."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch

from xlgen.adaptation.base import Method
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.headed import Headed
from xlgen.data.examples import EncodedExample
from xlgen.export import Decode, Format, Requests, formats, greedily, labels_in


@formats.register("transformers")
class ToTransformers(Format):
    """A folder for `from_pretrained`: model.safetensors with what was trained merged in, config and tokenizer."""

    heads = True

    def write(self, backbone: Backbone, method: Method, checkpoint: Path, folder: Path) -> None:
        """See :class:`Format`. Raises BackboneError for a method that cannot be merged, or a head that the library
        has no class for."""
        if isinstance(backbone, Headed):
            _check_head(backbone)
            method.merge(backbone)
            under_librarys_head(backbone).save_pretrained(folder)
            backbone.tokenizer.save_pretrained(folder)
            return
        method.merge(backbone)
        backbone.model.save_pretrained(folder)
        backbone.tokenizer.save_pretrained(folder)
        # Some configs leave it open, and whoever opens the folder has to know it.
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["decoder_start_token_id"] = backbone.start_token
        (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False), encoding="utf-8")

    def open(self, folder: Path, backbone: Backbone) -> Decode:
        """Loaded as any other checkpoint; an encoder under a head by the library alone."""
        if not isinstance(backbone, Headed):
            return greedily(loading.load(str(folder), allow_unknown=True))
        model = _librarys_class(backbone).from_pretrained(folder).eval()

        @torch.inference_mode()
        def told(requests: Requests, new_tokens: int) -> list[tuple[int, ...]]:
            sources = [EncodedExample(tuple(ids), (), language) for ids, language in requests]
            return [labels_in(model(**backbone.collate_sources([each])).logits[0]) for each in sources]

        return told


def under_librarys_head(backbone: Headed) -> Any:
    """A model of the library with the weights of ``backbone``. Raises BackboneError where it has none that fits."""
    _check_head(backbone)
    ours, names = backbone.model, backbone.library_names[_form(backbone)]
    config = copy.deepcopy(ours.config)
    config.id2label = dict(enumerate(backbone.head.labels))
    config.tie_word_embeddings = True  # the names of T5's embeddings; there is no matrix for outputs
    config.label2id = {label: number for number, label in config.id2label.items()}
    theirs = _librarys_class(backbone).from_config(config)
    weights = {_renamed(name, names): tensor for name, tensor in ours.state_dict().items()}
    missing, unexpected = theirs.load_state_dict(weights, strict=False)
    # An embedding that is tied has two names, and is one tensor.
    loaded = {tensor.data_ptr() for name, tensor in theirs.state_dict().items() if name in weights}
    left = [name for name in missing if theirs.state_dict()[name].data_ptr() not in loaded]
    if left or unexpected:
        raise BackboneError(
            f"{backbone.name}: {type(theirs).__name__} has other weights, first {[*left, *unexpected][0]}"
        )
    return theirs


def _check_head(backbone: Headed) -> None:
    if _form(backbone) not in backbone.library_names:
        raise BackboneError(
            f"transformers has no class for the encoder of {backbone.name} under a head for {backbone.head.kind}; "
            "use the checkpoint with `xlgen predict` or xlgen.backbones.loading"
        )


def _form(backbone: Headed) -> str:
    """The library has no class for ranking: a grade is a class there too."""
    return "tagging" if backbone.head.by_word else "classification"


def _librarys_class(backbone: Headed) -> Any:
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    return AutoModelForTokenClassification if backbone.head.by_word else AutoModelForSequenceClassification


def _renamed(name: str, names: Any) -> str:
    start = next(start for start in names if name.startswith(start))
    return names[start] + name.removeprefix(start)
