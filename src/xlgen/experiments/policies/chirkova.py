"""The learning-rate search of Chirkova et al. (2023), Appendix A."""

from __future__ import annotations

from pydantic import Field

from xlgen.experiments.policies import PolicyOptions, Tried, WholeRuns, best, policies


class ChirkovaOptions(PolicyOptions):
    """Rates are powers of ten; the defaults are the paper's."""

    start: tuple[int, ...] = Field(default=(3, 4, 5), min_length=1)
    """Exponents of the first rates: 3 is 10^-3."""
    largest: int = 1
    """Exponent of the highest rate: 1 is 10^-1."""
    smallest: int = 7
    """Exponent of the lowest rate: 7 is 10^-7."""
    triple: tuple[str, ...] = ("full",)
    """Adaptation methods for which three times the best rate is also tried."""


@policies.register("chirkova")
class ChirkovaSearch(WholeRuns[ChirkovaOptions]):
    """Try 1e-3, 1e-4 and 1e-5; add powers of ten while the best rate is the highest or lowest tried; for full
    finetuning, also try three times the best rate."""

    Options = ChirkovaOptions

    def proposals(self, tried: Tried, method: str) -> list[float]:
        """The next wave of the search."""
        start = [_rate(k) for k in self.options.start]
        if missing := [rate for rate in start if rate not in tried]:
            return missing
        powers = {rate: tried[rate] for rate in map(_rate, self._exponents()) if rate in tried}
        chosen = best(powers)
        k = next(k for k in self._exponents() if _rate(k) == chosen)
        # If the best rate is at an end, the search continues beyond it until the score no longer improves.
        beyond = [k - 1] if chosen == max(powers) else []
        beyond += [k + 1] if chosen == min(powers) else []
        if wider := [_rate(each) for each in beyond if each in self._exponents() and _rate(each) not in tried]:
            return wider
        # The best power of ten is usually the highest that keeps the language; three times it may still do so.
        tripled = _rate(k, 3)
        return [tripled] if method in self.options.triple and tripled not in tried else []

    def _exponents(self) -> range:
        ends = (*self.options.start, self.options.largest, self.options.smallest)
        return range(min(ends), max(ends) + 1)


def _rate(k: int, times: int = 1) -> float:
    """``times`` * 10^-k, exactly the float literal, such as ``3e-4``."""
    return float(f"{times}e{-k}")
