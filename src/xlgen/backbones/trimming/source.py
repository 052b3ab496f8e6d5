"""The model whose vocabulary is trimmed: its files, its tokenizer, and the counts of its tokens in a corpus."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.configs import check_sizes, load_config
from xlgen.backbones.finding import read_config
from xlgen.backbones.loading import family_of, load_tokenizer, outline, quiet, resolve
from xlgen.backbones.source_files import source_files, weight_files
from xlgen.backbones.text import TextTokenizer, text_tokenizer, vocabulary_digest
from xlgen.backbones.trimming.config_ids import ids_in
from xlgen.backbones.trimming.record import read_record
from xlgen.backbones.trimming.vocabulary import TrimError, Vocabulary, read_vocabulary
from xlgen.core.json_types import JsonObject
from xlgen.core.languages import Language
from xlgen.core.run_layout import ABOUT, RECIPE
from xlgen.kernels.model_types import TransformersTokenizer

Texts = Iterable[tuple[str, str]]
"""Pairs of a language's code and a text. The code is empty if the corpus does not say it."""
Corpus = Callable[[], Texts]
"""Returns an iterator over all texts each time."""
_AT_ONCE = 2_000
_KNOWN_SIZES = ("vocab_size", "type_vocab_size")
_CONFIG, _GENERATION = "config.json", "generation_config.json"


@dataclass(frozen=True)
class Source:
    """A pretrained model with the vocabulary to trim."""

    name: str
    folder: str
    """A local folder, or an id on the Hub."""
    family: type[Backbone] | None
    """The family, if xlgen has one; it has none of causal models."""
    tokenizer: TransformersTokenizer
    repaired: bool
    """Whether the library reads the tokenizer's files wrongly."""
    vocabulary: Vocabulary
    config: JsonObject
    generation: JsonObject | None
    """The generation config, if there is one."""

    @cached_property
    def rows(self) -> int:
        """Number of rows of the embeddings, which may be more than there are tokens."""
        rows = self.config.get("vocab_size") or (self.config.get("text_config") or {}).get("vocab_size")
        if type(rows) is not int or max(self.vocabulary.names, default=rows) >= rows:
            raise TrimError(
                f"the config of {self.name} has a vocab_size of {rows}, and its tokenizer has tokens up to id "
                f"{max(self.vocabulary.names, default=0)}: these are files of different models"
            )
        return rows

    @cached_property
    def weights(self) -> list[Path]:
        """The files of the weights. Raises TrimError if there are none in safetensors."""
        found = weight_files(self.folder)
        if not found:
            raise TrimError(
                f"{self.name} has no weights in safetensors, and reading pickled ones can run code. Convert a copy "
                "that you trust (from_pretrained, save_pretrained)"
            )
        return found

    @cached_property
    def digest(self) -> str:
        """A digest of the vocabulary."""
        return vocabulary_digest(self.tokenizer)

    @cached_property
    def files(self) -> dict[str, str]:
        """Digests of the files, the weights among them."""
        return source_files(self.folder, self.tokenizer)

    @property
    def config_ids(self) -> set[int]:
        """The ids in the configs that are tokens."""
        named = ids_in(self.config) | ids_in(self.generation or {})
        return named & self.vocabulary.names.keys()

    @property
    def text(self) -> TextTokenizer:
        """The tokenizer of a family, in which text from data is never a special token."""
        return text_tokenizer(self.tokenizer)

    def check_languages(self, languages: Sequence[str]) -> tuple[str, ...]:
        """The canonical codes of ``languages``. Raises BackboneError for one that the model does not know."""
        codes = tuple(dict.fromkeys(Language.parse(text).code for text in languages))
        record = read_record(self.folder)
        if record is not None and record.languages and (absent := set(codes) - set(record.languages)):
            raise TrimError(
                f"{self.name} was trimmed to {', '.join(record.languages)}, and has no tokens for {_names(absent)}; "
                f"trim {record.source} instead"
            )
        if self.family is not None and self.family.has_language_codes:
            outline(self.name).check_languages(codes)
        return codes

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, as the model reads them, without special tokens around them."""
        if self.family is not None:
            return self.text.tokenize(texts)
        backend = self.tokenizer.backend_tokenizer
        return [each.ids for each in backend.encode_batch(list(texts), add_special_tokens=False)]

    def count(self, texts: Texts, languages: Sequence[str] = ()) -> tuple[dict[str, NDArray[np.int64]], dict[str, int]]:
        """The number of occurrences of each id and the number of texts, by language.

        Raises TrimError if there is no text, or none in one of ``languages``; text that says no language may be in any.
        """
        counts: dict[str, NDArray[np.int64]] = {}
        read: dict[str, int] = {}
        for code, chunk in by_language(texts):
            ids = np.concatenate([np.array(each, np.int64) for each in self.tokenize(chunk)])
            counts[code] = counts.get(code, np.zeros(self.rows, np.int64)) + np.bincount(ids, minlength=self.rows)
            read[code] = read.get(code, 0) + len(chunk)
        found = {code for code, each in counts.items() if each.any()}
        absent = set() if "" in found else set(languages) - found
        if absent or not found:
            raise TrimError(f"the corpus holds no text{' in ' * bool(absent)}{_names(absent)}; name a file that does")
        return counts, read


def _names(codes: Iterable[str]) -> str:
    return ", ".join(f"{Language.parse(code).name} ({code})" for code in sorted(codes))


def by_language(texts: Texts) -> Iterator[tuple[str, list[str]]]:
    """Chunks of consecutive texts in one language."""
    for code, group in groupby(texts, key=lambda each: each[0]):
        while chunk := [text for _, text in islice(group, _AT_ONCE)]:
            yield code, chunk


def open_source(name: str) -> Source:
    """Read everything but the weights of a model. Raises BackboneError for one that cannot be trimmed."""
    quiet()
    folder = resolve(name)
    config = _read_config(folder)
    if config is None:
        trained = any((Path(folder) / file).is_file() for file in (ABOUT, RECIPE))
        hint = "; trim the model that `xlgen export --to transformers` writes" if trained else ""
        raise TrimError(f"{name}: no config.json; that is not a model checkpoint{hint}")
    family = _family(folder, config)
    plain = load_tokenizer(folder)
    tokenizer = plain if family is None else family.repair_tokenizer(plain)
    generation = read_config(folder, _GENERATION)
    vocabulary = read_vocabulary(tokenizer, name)
    return Source(name, folder, family, tokenizer, tokenizer is not plain, vocabulary, config, generation)


def _read_config(folder: str) -> JsonObject | None:
    """The config, with its ``vocab_size`` if only the library's class has it (Gemma 3). Raises BackboneError."""
    config = read_config(folder, _CONFIG)
    if config is None:
        return None
    check_sizes(folder, config)
    inner = config.get("text_config") or {}
    if other := sorted(key for key in (*config, *inner) if "vocab" in key and key not in _KNOWN_SIZES):
        raise TrimError(f"{folder} has {other[0]} in its config, a second vocabulary, and cannot be trimmed")
    if "vocab_size" in (*config, *inner):
        return config
    size = {"vocab_size": load_config(folder).get_text_config().vocab_size}
    return {**config, "text_config": {**inner, **size}} if inner else {**config, **size}


def _family(folder: str, config: JsonObject) -> type[Backbone] | None:
    """The family of a model; None for a causal model. Raises BackboneError for any other."""
    try:
        return family_of(folder)
    except BackboneError:
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

        if config.get("model_type") in CAUSAL and not config.get("is_encoder_decoder"):
            return None
        raise


def backend_state(tokenizer: TransformersTokenizer) -> JsonObject:
    """A tokenizer in the form of tokenizer.json."""
    found: JsonObject = json.loads(tokenizer.backend_tokenizer.to_str())
    return found
