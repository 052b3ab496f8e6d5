"""Models for ``transformers``: generators, and encoders with a head."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from xlgen.adaptation.base import Method
from xlgen.adaptation.checkpoints import load_start
from xlgen.adaptation.inserted import Inserted
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.backbones.headed import as_classifier
from xlgen.backbones.library_heads import check_library_class, library_class, library_model
from xlgen.backbones.trimming.record import write_record
from xlgen.data.examples import EncodedExample
from xlgen.evaluation.export import Decode, Format, Output, Requests, formats, generator, xlgen_adapted
from xlgen.evaluation.export.tokenizer_files import read_json, save_tokenizer, write_json
from xlgen.runs.checkpoint_description import About, read_about


class HeadToTransformers(Format):
    """A folder for `from_pretrained` of the library's classifier, with merged weights."""

    beams = (1,)

    def write(self, backbone: Backbone, method: Method, checkpoint: Path, folder: Path) -> None:
        """See :class:`Format`. Raises BackboneError if the method cannot be merged or the library has no such class."""
        classifier = as_classifier(backbone)
        check_library_class(classifier)
        method.merge(classifier)
        library_model(classifier).save_pretrained(folder)
        save_tokenizer(classifier, folder)
        save_record(classifier, folder)

    def open(self, folder: Path, backbone: Backbone) -> Decode:
        """Load it with the library, and predict for one input at a time."""
        model = library_class(as_classifier(backbone)).from_pretrained(folder).eval()

        @torch.inference_mode()
        def predict(requests: Requests, new_tokens: int, beams: int) -> list[Output]:
            sources = [EncodedExample(tuple(ids), (), language) for ids, language in requests]
            return [_labels(model(**backbone.collate_sources([each])).logits[0]) for each in sources]

        return predict

    def reference(self, backbone: Backbone) -> Decode:
        """The labels that the checkpoint's head predicts."""
        classifier = as_classifier(backbone)

        def predict(requests: Requests, new_tokens: int, beams: int) -> list[Output]:
            return [_labels(logits) for logits in classifier.logits([ids for ids, _ in requests], budget=1)]

        return predict


def _labels(logits: Tensor) -> Output:
    """The most probable label at each position of (length, labels), or the one of (labels,)."""
    return Output(tuple(logits.reshape(-1, logits.shape[-1]).argmax(-1).tolist()))


@formats.register("transformers")
class ToTransformers(Format):
    """A folder for `from_pretrained` with merged weights; for adapters and prompts, with a module that loads it."""

    for_heads = HeadToTransformers

    def write(self, backbone: Backbone, method: Method, checkpoint: Path, folder: Path) -> None:
        """See :class:`Format`. Raises BackboneError for a method that can neither be merged nor inserted again."""
        if method.can_merge():
            method.merge(backbone)
            save_plain(backbone, folder)
        else:
            _save_adapted(backbone, method.inserted(backbone), read_about(checkpoint), folder)

    def open(self, folder: Path, backbone: Backbone) -> Decode:
        """Load it as any other backbone, or with the folder's own module."""
        if (folder / "base").is_dir():
            return _adapted_generator(folder, backbone)
        return generator(loading.load(str(folder), allow_unknown=True))


def _save_adapted(backbone: Backbone, inserted: Inserted, about: About, folder: Path) -> None:
    """Write the plain model into a folder of its own, so that it is not taken for the adapted one; the trained tensors;
    and the module that combines them."""
    (folder / "base").mkdir()
    save_plain(load_start(about), folder / "base")
    inserted.save_tensors(folder / "adapted.safetensors")
    write_json(folder / "adapted.json", inserted.about)
    shutil.copyfile(xlgen_adapted.__file__, folder / "xlgen_adapted.py")


def _adapted_generator(folder: Path, backbone: Backbone) -> Decode:
    """Generation with ``xlgen_adapted.py``, one language at a time."""
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
    # Some configs do not set it, and a reader of the folder needs it.
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", {**config, "decoder_start_token_id": backbone.start_token})
    save_record(backbone, folder)


def save_record(backbone: Backbone, folder: Path) -> None:
    """Write which tokens were kept, if the vocabulary is trimmed."""
    if backbone.trim is not None:
        write_record(folder, replace(backbone.trim, by="folder"))
