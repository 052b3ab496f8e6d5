"""XLRS on parallel texts of its own, tracked while training (Li and Murray 2023, section 3: 512 sentences).

Only the encoder runs, once a text, so that it costs little beside an evaluation, which generates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from torch import Tensor

from xlgen.adaptation.base import Method
from xlgen.analysis.pairing import check_same_ids, check_texts
from xlgen.analysis.states import means
from xlgen.analysis.xlrs import similarities
from xlgen.backbones.base import Backbone
from xlgen.config import ParallelText
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.data.readers import DataError, Reader, build_reader
from xlgen.data.templates import field
from xlgen.generation.precision import weights_in
from xlgen.languages import Language
from xlgen.metrics.base import Example
from xlgen.metrics.score import Row, score

_ROW = "line"
"""What stands for an id where texts have none."""


@dataclass(frozen=True)
class ParallelTexts:
    """The same texts in several languages, as the encoder takes them: row i of one translates row i of another."""

    ids: Sequence[str]
    pivot: str
    """The language that the others are compared with."""
    inputs: Mapping[str, Sequence[EncodedExample]]

    def measure(self, backbone: Backbone, method: Method, precision: str, bootstrap: int) -> dict[str, Row]:
        """XLRS of each language and the pivot."""
        vectors = {}
        with weights_in(backbone.model, precision):
            for code, inputs in self.inputs.items():
                method.set_language(backbone, code)
                vectors[code] = means(backbone, inputs)
        return {
            code: _row(code, similarities(found, vectors[self.pivot]), bootstrap)
            for code, found in vectors.items()
            if code != self.pivot
        }


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

    ``allow_unknown``: where the family has no language codes, languages that the backbone does not know may be there.
    ``where`` the texts are asked for, as errors say it.
    Raises BackboneError for an unknown language; DataError where texts are not parallel: a row that one language has
    and another has not, or two languages with the same texts.
    """
    chosen = [Language.parse(text).code for text in config.languages] or list(languages)
    codes = tuple(dict.fromkeys([pivot, *chosen]))
    backbone.check_languages(codes, allow_unknown)
    reader = build_reader(config.corpus, data_dir, f"{where}: the corpus")
    texts = {code: _read(reader, code, config, where) for code in codes}
    ids = {code: list(found) for code, found in texts.items()}
    check_same_ids(ids, f"{where}: the texts")
    check_texts({code: found.values() for code, found in texts.items()}, where)
    for found in texts.values():
        backbone.learn(example.source for example in found.values())
    inputs = {
        code: [EncodedExample(backbone.encode_source(e, config.max_tokens)[0], (0,), code) for e in found.values()]
        for code, found in texts.items()
    }
    return ParallelTexts(ids[pivot], pivot, inputs)


def _read(reader: Reader, code: str, config: ParallelText, where: str) -> dict[str, LabelledExample]:
    """The first texts of a language, by id."""
    found: dict[str, LabelledExample] = {}
    for number, record in enumerate(islice(reader.read(code, config.split), config.sentences)):
        text, name = field(record, config.field), str(record.fields.get(config.id, record.fields.get(_ROW, number)))
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"{record.where}: field {config.field!r} must hold text, not {text!r}")
        if name in found:
            raise DataError(f"{record.where}: a second text with the id {name!r}")
        found[name] = LabelledExample(name, code, text, (), record.where, (0, len(text)))
    if not found:
        raise DataError(f"{where}: no text for language {code}, split {config.split}")
    return found


def _row(code: str, cosines: Tensor, bootstrap: int) -> Row:
    examples = [Example(code, "", ("",), similarity=float(cosine)) for cosine in cosines]
    (row,) = score(examples, ("xlrs",), code, bootstrap=bootstrap)
    return row
