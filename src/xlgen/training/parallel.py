"""XLRS on parallel texts of its own, tracked while training (Li and Murray 2023, section 3: 512 sentences).

Only the encoder runs, once a text, so that it costs little beside an evaluation, which generates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from xlgen.adaptation.base import Method
from xlgen.analysis.xlrs import mean_states, similarities
from xlgen.backbones.attention import fast_encoder
from xlgen.backbones.base import Backbone
from xlgen.backbones.products import fast_modules
from xlgen.config import ParallelText
from xlgen.data.batches import budget_batches
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.data.readers import DataError, Reader
from xlgen.data.tasks import build_reader
from xlgen.data.templates import field
from xlgen.generation.precision import weights_in
from xlgen.languages import Language
from xlgen.metrics.base import Example
from xlgen.metrics.score import Row, score

_BATCH_TOKENS = 8_000
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
) -> ParallelTexts:
    """The texts of ``config`` in ``languages`` and the language ``pivot``.

    ``allow_unknown``: where the family has no language codes, languages that the backbone does not know may be there.
    Raises BackboneError for an unknown language; DataError where texts are not parallel: a row that one language has
    and another has not.
    """
    chosen = [Language.parse(text).code for text in config.languages] or list(languages)
    codes = tuple(dict.fromkeys([pivot, *chosen]))
    if not allow_unknown or backbone.has_codes:
        backbone.check_languages(codes)
    options = {**config.corpus, "name": config.corpus.get("name", config.corpus.get("reader"))}
    options.pop("reader", None)
    reader = build_reader(options, data_dir, "evaluation.xlrs: the corpus")
    texts = {code: _read(reader, code, config) for code in codes}
    ids = list(texts[pivot])
    for code, found in texts.items():
        if list(found) != ids:
            other = sorted(set(ids) ^ set(found))
            which = f"{other[0]!r} is in one of them only" if other else "their order differs"
            raise DataError(f"evaluation.xlrs: the texts of {pivot} and {code} are not parallel: {which}")
        backbone.learn(example.source for example in found.values())
    inputs = {
        code: [EncodedExample(backbone.encode_source(e, config.max_tokens)[0], (0,), code) for e in found.values()]
        for code, found in texts.items()
    }
    return ParallelTexts(ids, pivot, inputs)


@torch.inference_mode()
def means(backbone: Backbone, inputs: Sequence[EncodedExample]) -> Tensor:
    """The mean of the encoder's last states over each input's tokens: (inputs, width), fp32, on the CPU."""
    device = next(backbone.model.parameters()).device
    was_training = backbone.model.training
    backbone.model.eval()
    found: list[Tensor] = [torch.empty(0)] * len(inputs)
    try:
        with fast_modules(backbone.model), fast_encoder(backbone.model):
            for batch in _batches(inputs):
                tensors = backbone.collate([inputs[i] for i in batch])
                ids, mask = tensors["input_ids"].to(device), tensors["attention_mask"].to(device)
                states = backbone.model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
                # What stands before the text is a prompt's, and not a part of it.
                rows = mean_states(states[:, -mask.shape[1] :], mask).cpu()
                for place, row in zip(batch, rows, strict=True):
                    found[place] = row
    finally:
        backbone.model.train(was_training)
    return torch.stack(found)


def _batches(inputs: Sequence[EncodedExample]) -> Iterator[list[int]]:
    lengths = [(len(each.source), 0) for each in inputs]
    return budget_batches(lengths, max(_BATCH_TOKENS, *(length for length, _ in lengths)))


def _read(reader: Reader, code: str, config: ParallelText) -> dict[str, LabelledExample]:
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
        raise DataError(f"evaluation.xlrs: no text for language {code}, split {config.split}")
    return found


def _row(code: str, cosines: Tensor, bootstrap: int) -> Row:
    examples = [Example(code, "", ("",), similarity=float(cosine)) for cosine in cosines]
    (row,) = score(examples, ("xlrs",), code, bootstrap=bootstrap)
    return row
