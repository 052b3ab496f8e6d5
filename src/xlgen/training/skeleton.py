"""Create a backbone to pretrain: a tokenizer trained on a corpus, a configuration, and random weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlgen.backbones import loading
from xlgen.backbones.skeletons import Shape, build
from xlgen.core.arguments import argument
from xlgen.core.json_types import JsonMapping
from xlgen.core.languages import Language
from xlgen.core.outputs import check_new_folder, new_folder
from xlgen.core.registry import InputError
from xlgen.data.readers import UNLABELLED, DataError, readers

_MEASURED = 1_000
"""Number of texts of each language whose tokens are counted."""


@dataclass(frozen=True)
class Written:
    """What :func:`write_skeleton` has written."""

    folder: Path
    vocab_size: int
    """Size of the vocabulary, including special tokens."""
    parameters: int
    tokens_per_character: dict[str, float]
    """Mean number of tokens per character of the corpus, by language."""


def write_skeleton(
    family: str,
    corpus: JsonMapping,
    folder: Path,
    *,
    languages: Sequence[str] | None = None,
    shape: Shape | None = None,
    data_dir: Path = Path(),
    seed: int = 0,
) -> Written:
    """Train a tokenizer on ``corpus``, and write it into ``folder`` with a configuration and random weights.

    Args:
        family: A name of :data:`xlgen.backbones.skeletons.skeletons`.
        corpus: A reader whose rows have a field ``text``, as for objectives.
        folder: A new or empty folder. It stays empty after an error.
        languages: By default the languages that the reader knows.
        shape: The size of the vocabulary and of the model.
        data_dir: The folder that relative paths refer to.
        seed: The seed of the weights.

    Raises:
        InputError: if an option is wrong, the corpus has no text, or the folder cannot be written.
    """
    check_new_folder(folder)
    reader = readers.build(corpus, data_dir)
    codes = [Language.parse(text).code for text in languages or reader.languages() or ()]
    if not codes:
        raise InputError(f"the corpus cannot say its languages; name them with {argument('languages')}")

    def texts(code: str) -> Iterator[str]:
        for record in reader.read(code, UNLABELLED):
            text = record.fields.get("text")
            if not isinstance(text, str):
                raise DataError(f"{record.where}: field 'text' must be text, not {text!r:.60}")
            yield text

    tokenizer, config = build(
        family, lambda: (text for code in codes for text in texts(code)), codes, Shape() if shape is None else shape
    )
    with new_folder(folder) as temporary:
        config.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        backbone = loading.load(str(temporary), init="random", seed=seed)
        backbone.model.save_pretrained(temporary)
    parameters = sum(parameter.numel() for parameter in backbone.model.parameters())
    rates = {}
    for code in codes:
        found = list(texts(code))[:_MEASURED]
        rates[code] = sum(len(backbone.tokenize(text)) for text in found) / max(1, sum(map(len, found)))
    return Written(folder, config.vocab_size, parameters, rates)
