"""XLRS on separate parallel texts, tracked during training (Li and Murray 2023, footnote 2: 512 sentences).

Only the encoder runs, once for each text, which costs little compared with generation.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone
from xlgen.backbones.precision import weights_in
from xlgen.core.config import ParallelText
from xlgen.core.languages import Language
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.data.readers import DataError, Reader
from xlgen.data.templates import field
from xlgen.metrics.base import Example
from xlgen.metrics.score import Row, score
from xlgen.metrics.xlrs import Xlrs
from xlgen.representations.pairing import check_same_ids, check_texts
from xlgen.representations.states import means
from xlgen.representations.xlrs import similarities

_ROW = "line"
"""The field that replaces the id if texts have none."""


@dataclass(frozen=True)
class ParallelTexts:
    """The same texts in several languages as inputs of the encoder: rows with the same number are translations."""

    ids: Sequence[str]
    pivot: str
    """The language that all others are compared with."""
    inputs: Mapping[str, Sequence[EncodedExample]]
    signature: str
    """Identifies the texts and their maximum length."""

    def measure(self, backbone: Backbone, method: Method, precision: str, bootstrap: int) -> dict[str, Row]:
        """XLRS of each language with the pivot."""
        vectors = {}
        with weights_in(backbone.model, precision):
            for code, inputs in self.inputs.items():
                method.set_language(backbone, code)
                vectors[code] = means(backbone, inputs)
        return {
            code: _row(code, similarities(found, vectors[self.pivot]), bootstrap, self.signature)
            for code, found in vectors.items()
            if code != self.pivot
        }


def check_parallel(config: ParallelText, data_dir: Path, where: str = "evaluation.xlrs") -> tuple[Reader, list[str]]:
    """The reader and the languages of ``config``, without reading any text. Raises InputError."""
    reader: Reader = config.corpus.build(data_dir)
    return reader, [Language.parse(text).code for text in config.languages]


def read_parallel(
    config: ParallelText,
    backbone: Backbone,
    languages: Sequence[str],
    pivot: str,
    data_dir: Path,
    allow_unknown: bool = False,
    where: str = "evaluation.xlrs",
) -> ParallelTexts:
    """The texts of ``config`` in ``languages`` and the language ``pivot``.

    ``allow_unknown`` allows languages that the backbone does not know, if its family has no language codes. ``where``
    names the setting in errors. Raises BackboneError for an unknown language, and DataError if texts are not parallel:
    if a language lacks a row of another, or if two languages have the same texts.
    """
    reader, chosen = check_parallel(config, data_dir, where)
    codes = tuple(dict.fromkeys([pivot, *(chosen or languages)]))
    backbone.check_languages(codes, allow_unknown)
    texts = {code: _read(reader, code, config, where) for code in codes}
    if config.seed is not None:
        texts = _sampled(texts, config.sentences, config.seed, where)
    ids = {code: list(found) for code, found in texts.items()}
    check_same_ids(ids, f"{where}: the texts")
    check_texts({code: found.values() for code, found in texts.items()}, where)
    for found in texts.values():
        backbone.cache_tokens(example.source for example in found.values())
    inputs = {
        code: [EncodedExample(backbone.encode_source(e, config.max_tokens)[0], (0,), code) for e in found.values()]
        for code, found in texts.items()
    }
    return ParallelTexts(ids[pivot], pivot, inputs, _signature(config, pivot, texts[pivot]))


_Texts: TypeAlias = dict[str, LabelledExample]
"""The texts of a language, by id."""


def _sampled(texts: dict[str, _Texts], count: int, seed: int, where: str) -> dict[str, _Texts]:
    """The same ``count`` random texts of every language, in the order of the data."""
    ids = {code: list(found) for code, found in texts.items()}
    check_same_ids(ids, f"{where}: the texts")
    whole = next(iter(ids.values()))
    chosen = {whole[place] for place in random.Random(seed).sample(range(len(whole)), min(count, len(whole)))}
    return {code: {name: found[name] for name in found if name in chosen} for code, found in texts.items()}


def _signature(config: ParallelText, pivot: str, texts: _Texts) -> str:
    """The texts, their split, number and maximum length, and a digest of the pivot's texts, in sacreBLEU's form."""
    corpus = config.corpus
    source = str(getattr(corpus, "path", None) or getattr(corpus, "dataset", None) or "").replace("|", "/")
    digest = hashlib.blake2b(digest_size=4)
    for name, example in texts.items():
        digest.update(json.dumps([name, example.source]).encode())
    parts = {
        "texts": ":".join(filter(None, [corpus.name, source, config.field])),
        "split": config.split,
        "sample": "first" if config.seed is None else config.seed,
        "sentences": len(texts),
        "cut": config.max_tokens,
        "digest": digest.hexdigest(),
        "pivot": pivot,
    }
    return "|".join(f"{key}:{value}" for key, value in parts.items())


def _read(reader: Reader, code: str, config: ParallelText, where: str) -> _Texts:
    """The texts of a language to sample from."""
    found: _Texts = {}
    limit = config.sentences if config.seed is None else None
    for number, record in enumerate(islice(reader.read(code, config.split), limit)):
        text, name = field(record, config.field), str(record.fields.get(config.id, record.fields.get(_ROW, number)))
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"{record.where}: field {config.field!r} must be text, not {text!r}")
        if name in found:
            raise DataError(f"{record.where}: a second text with the id {name!r}")
        found[name] = LabelledExample(name, code, text, (), record.where, (0, len(text)))
    if not found:
        raise DataError(f"{where}: no text for language {code}, split {config.split}")
    return found


def _row(code: str, cosines: Tensor, bootstrap: int, texts: str) -> Row:
    examples = [Example(code, "", ("",), similarity=float(cosine)) for cosine in cosines]
    (row,) = score(examples, (Xlrs(texts),), code, bootstrap=bootstrap)
    return row
