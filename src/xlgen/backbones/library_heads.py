"""Classifiers of the transformers library with the weights of our encoders with a head."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from xlgen.backbones.base import BackboneError
from xlgen.backbones.headed import EncoderClassifier
from xlgen.backbones.library_classes import AutoClass
from xlgen.kernels.model_types import TransformersModel


def check_library_class(backbone: EncoderClassifier) -> None:
    """Raise BackboneError if the library has no class for the family's encoder with this kind of head."""
    if _form(backbone) not in backbone.library_names:
        raise BackboneError(
            f"transformers has no class for the encoder of {backbone.name} with a head for {backbone.head.kind}; "
            "use the checkpoint with `xlgen predict` or xlgen.backbones.loading"
        )


def library_class(backbone: EncoderClassifier) -> AutoClass:
    """The library's class that opens the model of :func:`library_model`."""
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    return AutoModelForTokenClassification if backbone.head.by_word else AutoModelForSequenceClassification


def library_model(backbone: EncoderClassifier) -> TransformersModel:
    """A model of the library with the weights of ``backbone``. Raises BackboneError if no class fits them."""
    check_library_class(backbone)
    ours, names = backbone.model, backbone.library_names[_form(backbone)]
    config = copy.deepcopy(ours.config)
    config.id2label = dict(enumerate(backbone.head.labels))
    config.label2id = {label: number for number, label in config.id2label.items()}
    config.tie_word_embeddings = True  # T5's embeddings have two names; there is no output matrix
    theirs = library_class(backbone).from_config(config)
    weights = {_renamed(name, names): tensor for name, tensor in ours.state_dict().items()}
    missing, unexpected = theirs.load_state_dict(weights, strict=False)
    # A tied embedding has two names and is one tensor.
    loaded = {tensor.data_ptr() for name, tensor in theirs.state_dict().items() if name in weights}
    left = [name for name in missing if theirs.state_dict()[name].data_ptr() not in loaded]
    if left or unexpected:
        raise BackboneError(
            f"{backbone.name}: the weights of {type(theirs).__name__} differ, first {[*left, *unexpected][0]}"
        )
    return theirs


def _form(backbone: EncoderClassifier) -> str:
    """The key of ``library_names``. The library has no class for ranking; grades are classes in it too."""
    return "tagging" if backbone.head.by_word else "classification"


def _renamed(name: str, names: Mapping[str, str]) -> str:
    start = next(start for start in names if name.startswith(start))
    return names[start] + name.removeprefix(start)
