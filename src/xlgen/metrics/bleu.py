"""BLEU (Papineni et al. 2002), by sacreBLEU (Post 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from xlgen.core.languages import Language
from xlgen.core.registry import InputError, nearest
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.bounds import ORDER, Within
from xlgen.metrics.corpus import CorpusScorer, corpus_signature, once, sacrebleu, score_of, statistics

# sacreBLEU's choice of tokenizer for known target languages.
_BY_LANGUAGE = {"zh": "zh", "zh-Hant": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
_DEFAULT = "13a"


def _of_sums(sums: Scores) -> float:
    return Bleu().of_sums("bleu", sums)


@metrics.register("bleu")
@dataclass(frozen=True)
class Bleu:
    """Corpus BLEU in percent over all examples together, by sacreBLEU.

    This is sacreBLEU's ``corpus_score``. The interval resamples examples, as in sacreBLEU. Texts of fewer than four
    tokens have no 4-grams: a corpus of only such texts scores 0, unless ``effective_order`` is set.
    """

    tokenize: str | None = None
    """sacreBLEU's name of a tokenizer: ``13a``, ``intl``, ``char``, ``zh``, ``ja-mecab``, ``ko-mecab``, ``flores200``
    and others. If None, sacreBLEU's choice for the language: ``zh``, ``ja-mecab``, ``ko-mecab``, else ``13a``. Note
    that ``13a`` does not split scripts without spaces, such as Thai."""
    lowercase: bool = False
    """Whether case is ignored."""
    smooth_method: Literal["exp", "floor", "add-k", "none"] = "exp"
    """sacreBLEU's smoothing of n-gram precisions that are 0: ``exp``, ``floor``, ``add-k`` or ``none``."""
    smooth_value: Annotated[float | None, Within(0, 100)] = None
    """The parameter of ``floor`` and ``add-k``. If None, sacreBLEU's default."""
    max_ngram_order: Annotated[int, ORDER] = 4
    """Longest n-gram, in tokens."""
    effective_order: bool = False
    """Whether sentence scores stop at the longest n-gram that has a match."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("bleu", of_sums=_of_sums),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Lengths and n-gram counts, one row per example; NaN without references.

        Raises:
            InputError: if sacreBLEU or a requirement of the tokenizer is missing.
        """
        return {"bleu": statistics(examples, self._scorer, 2 + 2 * self.max_ngram_order)}

    def of_sums(self, figure: str, sums: Scores) -> float:
        """BLEU in [0, 1] from the sums of all rows."""
        return score_of(once(_scorer, *astuple(self), _DEFAULT), sums)

    def signature(self, language: str) -> str:
        """sacreBLEU's signature without the number of references."""
        return corpus_signature(self._scorer(language), None)

    def figure_signature(self, figure: str, language: str, scores: Scores) -> str:
        """sacreBLEU's signature."""
        return corpus_signature(self._scorer(language), scores)

    def _scorer(self, language: str) -> CorpusScorer:
        tokenizer = self.tokenize or _BY_LANGUAGE.get(Language.parse(language).code, _DEFAULT)
        return once(_scorer, *astuple(self), tokenizer)


def _scorer(
    tokenize: str | None,
    lowercase: bool,
    smooth_method: str,
    smooth_value: float | None,
    max_ngram_order: int,
    effective_order: bool,
    tokenizer: str,
) -> CorpusScorer:
    if smooth_method == "floor" and smooth_value is not None and smooth_value > 1:
        raise InputError(f"metric bleu: smooth_value of floor, a count, must be from 0 to 1, not {smooth_value!r}")
    kind = sacrebleu().BLEU
    _check_tokenizer(tokenizer, kind.TOKENIZERS)
    try:
        scorer: CorpusScorer = kind(
            lowercase=lowercase,
            force=True,  # no warning on text that looks tokenized: it is scored as it is
            tokenize=tokenizer,
            smooth_method=smooth_method,
            smooth_value=smooth_value,
            max_ngram_order=max_ngram_order,
            effective_order=effective_order,
        )
        return scorer
    except (ImportError, RuntimeError) as error:
        extra = tokenizer.partition("-")[0]
        raise InputError(
            f"bleu's tokenizer {tokenizer!r} is not installed: pip install 'sacrebleu[{extra}]', or set the option "
            f"tokenize, for instance to char ({' '.join(str(error).split())})"
        ) from None


def _check_tokenizer(tokenizer: str, known: Sequence[str]) -> None:
    """Raise InputError for an unknown tokenizer, or one whose model is not on this machine."""
    if tokenizer not in known:
        raise InputError(f"unknown tokenizer {tokenizer!r} of bleu: {nearest(tokenizer, known)}")
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    if tokenizer in SPM_MODELS:
        url = SPM_MODELS[tokenizer]["url"]
        model = Path(SACREBLEU_DIR) / "models" / Path(url).name
        if not model.exists():
            raise InputError(
                f"bleu's tokenizer {tokenizer!r} needs its model at {model}, and xlgen does not download it: fetch "
                f"{url} to that path, or set the option tokenize to another one, for instance char"
            )
