"""A soft mask over the vocabulary, from the target's script and from unlabelled text in the target language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import regex
import torch
from pydantic import Field
from torch import Tensor
from transformers import LogitsProcessor

from xlgen.backbones.base import Backbone
from xlgen.core.config_plugins import ReaderField
from xlgen.core.languages import Language
from xlgen.data.readers import DataError, Reader, readers
from xlgen.data.templates import field
from xlgen.decoding.control import ControlOptions, Decoder, LanguageControl, Request, controls
from xlgen.decoding.logits import TokenBias
from xlgen.metrics.scripts import letters_of


class VocabularyMaskOptions(ControlOptions):
    """Options of the control ``vocabulary_mask``."""

    strength: float = Field(default=6.0, gt=0)
    """Log-probability subtracted from an unwanted token: 6 makes it 400 times less likely."""
    script: bool = True
    """Whether tokens with a letter of a script other than the target's are unwanted."""
    corpus: ReaderField | None = None
    """A reader and its options. Tokens that never occur in this text of the target language are unwanted too. If None,
    languages of one script are not distinguished."""
    passages: int = Field(default=2_000, ge=1)
    """Maximum number of texts to read per language."""
    allow_source: bool = True
    """Whether tokens of the input are always allowed, since names and numbers are copied from it. The mask then does
    not prevent outputs in the language of the input."""


@controls.register("vocabulary_mask")
class VocabularyMask(LanguageControl[VocabularyMaskOptions]):
    """Subtract ``strength`` from the log-probability of tokens that the target language does not use.

    This costs one addition per step. The end, language codes and other special tokens are never masked; leftovers of
    pretraining always are.
    """

    Options = VocabularyMaskOptions

    def __init__(self, options: VocabularyMaskOptions) -> None:
        super().__init__(options)
        # Masks for one backbone: a control is built for one evaluation.
        self._masks: dict[str, Tensor] = {}

    def processors(self, decode: Decoder, request: Request) -> Sequence[LogitsProcessor]:
        """The mask for an input. Raises DataError if the corpus has no text in its language."""
        mask = self.mask(decode, request.language)
        if self.options.allow_source:
            # Leftovers stay masked: they do not occur in a task's inputs.
            mask = mask.index_fill(0, torch.tensor(request.source, device=mask.device), 0.0)
        return [TokenBias(mask)]

    def mask(self, decode: Decoder, language: str) -> Tensor:
        """(vocabulary,): 0 for allowed tokens, minus ``strength`` for others."""
        if language not in self._masks:
            self._masks[language] = self._make(decode, language).to(decode.backbone.model.device)
        return self._masks[language]

    def _make(self, decode: Decoder, language: str) -> Tensor:
        tokenizer, size = decode.backbone.tokenizer, decode.backbone.model.config.vocab_size
        unwanted = torch.zeros(size, dtype=torch.bool)
        if self.options.script:
            pieces = tokenizer.convert_ids_to_tokens(list(range(min(size, len(tokenizer)))))
            unwanted[: len(pieces)] = torch.tensor(foreign(pieces, Language.parse(language).script))
        if self.options.corpus is not None:
            used = torch.zeros(size, dtype=torch.bool)
            reader = readers.build(self.options.corpus, decode.data_dir)
            ids = ids_in_use(decode.backbone, reader, language, self.options.passages)
            used[torch.tensor(sorted(ids))] = True
            unwanted |= ~used
        unwanted[torch.tensor(tokenizer.all_special_ids)] = False
        unwanted[torch.tensor(sorted(decode.backbone.leftovers), dtype=torch.long)] = True
        return torch.where(unwanted, -self.options.strength, 0.0)


def ids_in_use(backbone: Backbone, reader: Reader, language: str, passages: int = 2_000) -> set[int]:
    """Ids that occur in the first ``passages`` unlabelled texts of ``language``. Raises DataError without text."""
    used: set[int] = set()
    for record in islice(reader.read(language, "unlabelled"), passages):
        used.update(backbone.tokenize(field(record, "text")))
    if not used:
        raise DataError(f"the corpus has no text in {language}")
    return used


def foreign(pieces: Iterable[str], script: str) -> list[bool]:
    """Whether each token has a letter of another script. Symbols, digits and byte tokens belong to every script."""
    other = regex.compile(rf"[\p{{L}}--[{letters_of(script)}\p{{scx=Zyyy}}\p{{scx=Zinh}}]]", regex.V1)
    return [other.search(piece) is not None and not _BYTE.fullmatch(piece) for piece in pieces]


_BYTE = regex.compile(r"<0x[0-9A-F]{2}>")
