"""Plain checkpoints for ``transformers``."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch

from xlgen.adaptation.base import Method
from xlgen.adaptation.checkpoints import load_start
from xlgen.adaptation.inserted import Inserted
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.headed import EncoderClassifier
from xlgen.backbones.library_classes import AutoClass
from xlgen.data.examples import EncodedExample
from xlgen.evaluation.export import Decode, Format, Output, Requests, formats, generator, labels_in, xlgen_adapted
from xlgen.evaluation.export.tokenizer_files import read_json, save_tokenizer, write_json
from xlgen.kernels.model_types import TransformersModel
from xlgen.runs.checkpoint_description import About, read_about


@formats.register("transformers")
class ToTransformers(Format):
    """A folder for `from_pretrained` with what was trained merged in; adapters and prompts with a module to load it."""

    heads = True

    def write(self, backbone: Backbone, method: Method, checkpoint: Path, folder: Path) -> None:
        """See :class:`Format`. Raises BackboneError for a method that cannot be merged, or a head that the library
        has no class for."""
        if isinstance(backbone, EncoderClassifier):
            _check_head(backbone)
            method.merge(backbone)
            under_librarys_head(backbone).save_pretrained(folder)
            save_tokenizer(backbone, folder)
            return
        if method.can_merge():
            method.merge(backbone)
            save_plain(backbone, folder)
        else:
            _save_adapted(backbone, method.inserted(backbone), read_about(checkpoint), folder)

    def open(self, folder: Path, backbone: Backbone) -> Decode:
        """As any other checkpoint, or by the folder's own module; an encoder under a head by the library alone."""
        if (folder / "base").is_dir():
            return _adapted_generator(folder, backbone)
        if not isinstance(backbone, EncoderClassifier):
            return generator(loading.load(str(folder), allow_unknown=True))
        model = _librarys_class(backbone).from_pretrained(folder).eval()

        @torch.inference_mode()
        def predicted(requests: Requests, new_tokens: int, beams: int) -> list[Output]:
            sources = [EncodedExample(tuple(ids), (), language) for ids, language in requests]
            return [Output(labels_in(model(**backbone.collate_sources([each])).logits[0])) for each in sources]

        return predicted


def _save_adapted(backbone: Backbone, inserted: Inserted, about: About, folder: Path) -> None:
    """The plain model in a folder of its own, so that nobody opens it for the adapted one; what was trained; and the
    module that puts them together."""
    (folder / "base").mkdir()
    save_plain(load_start(about), folder / "base")
    inserted.save_tensors(folder / "adapted.safetensors")
    write_json(folder / "adapted.json", inserted.about)
    shutil.copyfile(xlgen_adapted.__file__, folder / "xlgen_adapted.py")


def _adapted_generator(folder: Path, backbone: Backbone) -> Decode:
    """Generation through ``xlgen_adapted.py``: a language at a time, where there is something for each."""
    fresh = loading.load(str(folder / "base"), allow_unknown=True)
    xlgen_adapted.adapt(fresh.model, folder)
    fresh.reserved_source, fresh.reserved_target = backbone.reserved_source, backbone.reserved_target
    generate = generator(fresh, "transformers")

    def decode(requests: Requests, new_tokens: int, beams: int) -> list[Output]:
        found: dict[int, Output] = {}
        for language in dict.fromkeys(code for _, code in requests):
            chosen = [place for place, (_, code) in enumerate(requests) if code == language]
            xlgen_adapted.set_language(fresh.model, language)
            found.update(zip(chosen, generate([requests[place] for place in chosen], new_tokens, beams), strict=True))
        return [found[place] for place in range(len(requests))]

    return decode


def save_plain(backbone: Backbone, folder: Path) -> None:
    """Write a plain model of a family with its tokenizer, for `from_pretrained`."""
    backbone.model.save_pretrained(folder)
    save_tokenizer(backbone, folder)
    # Some configs leave it open, and whoever opens the folder has to know it.
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", {**config, "decoder_start_token_id": backbone.start_token})


def under_librarys_head(backbone: EncoderClassifier) -> TransformersModel:
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


def _check_head(backbone: EncoderClassifier) -> None:
    if _form(backbone) not in backbone.library_names:
        raise BackboneError(
            f"transformers has no class for the encoder of {backbone.name} under a head for {backbone.head.kind}; "
            "use the checkpoint with `xlgen predict` or xlgen.backbones.loading"
        )


def _form(backbone: EncoderClassifier) -> str:
    """The library has no class for ranking: a grade is a class there too."""
    return "tagging" if backbone.head.by_word else "classification"


def _librarys_class(backbone: EncoderClassifier) -> AutoClass:
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    return AutoModelForTokenClassification if backbone.head.by_word else AutoModelForSequenceClassification


def _renamed(name: str, names: Mapping[str, str]) -> str:
    start = next(start for start in names if name.startswith(start))
    return names[start] + name.removeprefix(start)
