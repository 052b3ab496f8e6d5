"""Dictionary word segmentation for Chinese, Japanese and Thai, which write no spaces. Each needs its own package.

Nothing is downloaded: the dictionaries come with the packages. The extra ``xlgen[segmenters]`` installs all of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from types import ModuleType

from xlgen.core.extras import require


@dataclass(frozen=True)
class Dictionary:
    """A dictionary segmenter, and its name with the versions that affect its words."""

    name: str
    segment: Callable[[str], list[str]]
    """Splits a text into words, including punctuation and spaces."""


@cache
def dictionary(code: str) -> Dictionary | None:
    """The dictionary segmenter of the language with this canonical code; None if there is none.

    - ``zh``, ``zh-Hant``: jieba, its default mode with the hidden Markov model for unknown words.
    - ``ja``: MeCab through fugashi, with UniDic (unidic-lite): short units.
    - ``th``: PyThaiNLP's ``newmm``, maximal matching within character clusters.

    Raises:
        MissingExtraError: if the package is not installed.
    """
    makers = {"zh": _jieba, "zh-Hant": _jieba, "ja": _fugashi, "th": _newmm}
    return makers[code]() if code in makers else None


def _jieba() -> Dictionary:
    jieba = _import("jieba")
    tokenizer = jieba.Tokenizer()
    # As initialize() does, but without its cache file in the shared temporary folder and its messages.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return Dictionary(f"jieba-{version('jieba')}", lambda text: list(tokenizer.cut(text)))


def _fugashi() -> Dictionary:
    fugashi, unidic = _import("fugashi"), _import("unidic_lite")
    tagger = fugashi.GenericTagger(f'-r "{unidic.DICDIR}/mecabrc" -d "{unidic.DICDIR}"')
    name = f"fugashi-{version('fugashi')}+unidic-lite-{version('unidic-lite')}"
    return Dictionary(name, lambda text: [word.surface for word in tagger(_encodable(text))])


def _newmm() -> Dictionary:
    newmm = _import("pythainlp.tokenize").word_tokenize
    return Dictionary(f"newmm-{version('pythainlp')}", lambda text: newmm(text, engine="newmm"))


def _import(module: str) -> ModuleType:
    require("segmenters", "segmenter 'dictionary'", module.partition(".")[0])
    return importlib.import_module(module)


def _encodable(text: str) -> str:
    # MeCab reads UTF-8, which has no lone surrogates.
    return text.encode("utf-8", "replace").decode("utf-8")
