"""lingua: a detector for short text in 75 languages (Peter M. Stahl, lingua-language-detector on PyPI)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from xlgen.core.languages import Language
from xlgen.metrics.identifiers.base import Model, extra, identifiers, shared_code

if TYPE_CHECKING:
    import lingua as lingua_package


class Lingua:
    """lingua with all of its languages. It excludes languages by script before it counts letters."""

    def __init__(self, low_accuracy: bool) -> None:
        module, version = extra("lingua", "lingua", "lingua-language-detector")
        builder = module.LanguageDetectorBuilder.from_all_languages()
        self._detector = (builder.with_low_accuracy_mode() if low_accuracy else builder).build()
        self._labels = {language: _label(language) for language in module.Language.all()}
        self.codes = {label: Language.parse(label).code for label in sorted(self._labels.values())}
        self.name = f"lingua{'-low' if low_accuracy else ''}|lingua-language-detector:{version}"

    def code(self, language: Language) -> str:
        """The code of ``language``; lingua does not distinguish the scripts of a language."""
        return shared_code(language, self.codes)

    def predict(self, text: str) -> list[tuple[str, float]]:
        """All languages, best first; none if the text has no letter that lingua knows."""
        found = self._detector.compute_language_confidence_values(text)
        # lingua's order of ties differs from run to run.
        pairs = ((self._labels[each.language], each.value) for each in found)
        ranked = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
        return ranked if ranked[0][1] > 0 else []


@identifiers.register("lingua")
@cache
def lingua() -> Model:
    """Lingua with n-grams of one to five letters: about 1 GB of memory, 2 ms per text; needs the extra ``lingua``."""
    return Lingua(low_accuracy=False)


@identifiers.register("lingua-low")
@cache
def lingua_low() -> Model:
    """Lingua with trigrams only: about 60 MB, 0.1 ms per text, less accurate on short text; same extra."""
    return Lingua(low_accuracy=True)


def _label(language: lingua_package.Language) -> str:
    return str(language.iso_code_639_1.name).lower()
