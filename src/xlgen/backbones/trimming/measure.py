"""What a trimmed vocabulary costs and saves: coverage by language, unknown text, and speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from statistics import median

import numpy as np
import torch

from xlgen.backbones.configs import load_config
from xlgen.backbones.trimming.axes import model_class
from xlgen.backbones.trimming.selection import Counts
from xlgen.backbones.trimming.source import Corpus, Source, by_language
from xlgen.core.json_types import JsonObject
from xlgen.kernels.model_types import TransformersModel, TransformersTokenizer

_RETOKENIZED = 2_000
"""Number of texts of each language that both vocabularies tokenize, for the numbers of tokens and the unknown text."""
_TEXTS, _TOKENS, _NEW, _BEAMS, _REPEATS = 4, 64, 16, 4, 3


@dataclass(frozen=True)
class Coverage:
    """How well the kept tokens cover the texts of one language."""

    language: str
    """Its code; empty if the corpus does not say it."""
    texts: int
    """Number of texts that both vocabularies have tokenized."""
    occurrences: int
    """Number of occurrences of tokens."""
    covered: int
    """Occurrences of tokens that are kept."""
    tokens_before: int
    """Number of tokens of the texts in the whole vocabulary."""
    tokens_after: int
    """Number of tokens of the texts in the trimmed one."""
    unknown: int
    """Occurrences of the unknown token, and of bytes, in the trimmed vocabulary more than in the whole one."""

    @property
    def percent(self) -> float:
        """Kept tokens' share of all occurrences, in percent."""
        return 100 * self.covered / max(1, self.occurrences)

    def as_json(self) -> JsonObject:
        """A JSON object."""
        return {**asdict(self), "percent": self.percent}


def measure(
    source: Source, kept: list[int], trimmed: TransformersTokenizer, corpus: Corpus, counts: Counts | None
) -> Iterator[Coverage]:
    """The coverage of each language of a corpus; ``counts`` are its tokens, if they are known."""
    if counts is None:
        counts, _ = source.count(corpus())
    chosen, after = _texts(corpus), replace(source, tokenizer=trimmed)
    for code, count in sorted(counts.items()):
        old, new = source.tokenize(chosen[code]), after.tokenize(chosen[code])
        yield Coverage(
            language=code,
            texts=len(chosen[code]),
            occurrences=int(count.sum()),
            covered=int(count[kept].sum()),
            tokens_before=sum(map(len, old)),
            tokens_after=sum(map(len, new)),
            unknown=_unknown(new, trimmed) - _unknown(old, source.tokenizer),
        )


def _texts(corpus: Corpus) -> dict[str, list[str]]:
    """The first texts of each language."""
    found: dict[str, list[str]] = {}
    for code, chunk in by_language(corpus()):
        found.setdefault(code, []).extend(islice(chunk, max(0, _RETOKENIZED - len(found.get(code, ())))))
    return found


def _unknown(ids: list[list[int]], tokenizer: TransformersTokenizer) -> int:
    odd = {tokenizer.convert_tokens_to_ids(f"<0x{byte:02X}>") for byte in range(256)} | {tokenizer.unk_token_id}
    return sum(index in odd for each in ids for index in each) if odd != {None} else 0


@dataclass(frozen=True)
class Speed:
    """Seconds that a model takes on the CPU in fp32."""

    training: float
    """Of a forward and a backward pass over 4 texts of 64 tokens."""
    decoding: float | None
    """Of 16 new tokens with 4 beams for 4 texts; None for a model that does not generate."""


def measure_speed(folders: Mapping[str, str]) -> dict[str, Speed]:
    """The speed of the models in some folders, by name. They are loaded one after another."""
    return {name: _speed(folder) for name, folder in folders.items()}


def _speed(folder: str) -> Speed:
    config = load_config(folder)
    model = model_class(config).from_pretrained(folder, config=config, use_safetensors=True, dtype=torch.float32)
    size = config.get_text_config().vocab_size
    ids = torch.from_numpy(np.random.default_rng(0).integers(size // 2, size, (_TEXTS, _TOKENS)))
    training = _time(lambda: _train(model, ids))
    model.zero_grad(set_to_none=True)
    model.eval()
    if not model.can_generate():
        return Speed(training, None)
    with torch.inference_mode():
        return Speed(training, _time(lambda: _generate(model, ids)))


def _train(model: TransformersModel, ids: torch.Tensor) -> None:
    model(input_ids=ids, labels=ids).loss.backward()


def _generate(model: TransformersModel, ids: torch.Tensor) -> None:
    model.generate(ids, num_beams=_BEAMS, min_new_tokens=_NEW, max_new_tokens=_NEW)


def _time(run: Callable[[], object]) -> float:
    """The median time of a call, after one that does not count."""
    run()
    found = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return median(found)
