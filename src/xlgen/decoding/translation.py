"""Translation with any backbone that has language codes, sentence by sentence, as NLLB-200 was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.core.languages import Language
from xlgen.data.examples import LabelledExample
from xlgen.data.markup import segments, tokens_in
from xlgen.decoding.cleanup import clean
from xlgen.decoding.decode import generate
from xlgen.decoding.settings import Decoding
from xlgen.metrics.sentences import sentences

# Maximum length of a translation: this factor of its source, plus a few tokens.
_LONGER, _MORE = 2, 16
# Maximum input tokens in the training of NLLB-200 and mBART-50.
_LONGEST = 512
# Scripts without sentence marks are split at spaces, which also end phrases; phrases are joined up to this many tokens.
_PHRASES, _PACKED = ("Thai", "Laoo"), 100
_JOINED = ("Hans", "Hant", "Hani", "Jpan")
"""Scripts that put no space between sentences."""


@dataclass
class Translator:
    """A pretrained model that translates."""

    backbone: Backbone
    num_beams: int = 1

    @classmethod
    def load(cls, name: str, languages: tuple[str, ...], num_beams: int = 1) -> Translator:
        """Load the translator ``name``. Raises BackboneError for a missing language and for a family without codes."""
        backbone = loading.load(name, languages=languages)
        if not backbone.has_language_codes:
            raise BackboneError(f"{name} has no language codes, which a translator needs to set the output language")
        return cls(backbone, num_beams)

    def texts(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translate each text into ``target``; unchanged if ``source`` is ``target``. Empty text stays empty."""
        if source == target:
            return list(texts)
        if any(map(tokens_in, texts)):
            return self._between_tokens(texts, source, target)
        split = sentences("marks", source)
        parts = [[part.strip() for part in split(text) if part.strip()] for text in texts]
        if Language.parse(source).script in _PHRASES:
            parts = [self._packed(found) for found in parts]
        flat = [part for found in parts for part in found]
        done = iter(self._sentences(flat, source, target))
        joiner = "" if Language.parse(target).script in _JOINED else " "
        return [joiner.join(next(done) for _ in found) for found in parts]

    def examples(self, examples: Sequence[LabelledExample], target: str, labels: bool = True) -> list[LabelledExample]:
        """Translate the inputs of examples into ``target``, and their targets if ``labels``.

        The croppable part and the rest are translated separately, and so are the texts of a pair.
        """
        moved: dict[int, LabelledExample] = {}
        for language in dict.fromkeys(example.language for example in examples):
            chosen = [place for place, example in enumerate(examples) if example.language == language]
            found = [text for place in chosen for text in _texts(examples[place], labels)]
            done = iter(self.texts(found, language, target))
            for place in chosen:
                before, inside, after = next(done), next(done), next(done)
                start = len(before) + bool(before and inside)
                moved[place] = replace(
                    examples[place],
                    language=target,
                    source=" ".join(part for part in (before, inside, after) if part),
                    targets=tuple(next(done) if labels else text for text in examples[place].targets),
                    croppable=(start, start + len(inside)) if examples[place].croppable else None,
                    pair=None if examples[place].pair is None else next(done),
                )
        return [moved[place] for place in range(len(examples))]

    def _between_tokens(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """:meth:`texts` for the text between special tokens, which are kept."""
        parts = [segments(text) for text in texts]
        done = iter(self.texts([part for found in parts for part in found[::2]], source, target))
        return ["".join(part if place % 2 else next(done) for place, part in enumerate(found)) for found in parts]

    def _packed(self, phrases: Sequence[str]) -> list[str]:
        """Join phrases to about the length of one or two sentences."""
        packed: list[str] = []
        for phrase in phrases:
            longer = f"{packed[-1]} {phrase}" if packed else phrase
            if packed and len(self.backbone.tokenize(longer)) <= _PACKED:
                packed[-1] = longer
            else:
                packed.append(phrase)
        return packed

    def _sentences(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Translate each sentence into ``target``, truncated to the model's maximum length."""
        backbone = self.backbone
        asked = [LabelledExample("", source, text, ("",), "text to translate", None) for text in texts]
        encoded = [backbone.encode_source(example, _LONGEST)[0] for example in asked]
        longest = max(map(len, encoded), default=1)
        decoding = Decoding(_LONGER * longest + _MORE, self.num_beams)
        raw = generate(backbone, encoded, [target] * len(encoded), decoding)
        return [clean(text, backbone.leftover_pattern) for text in raw]


def _texts(example: LabelledExample, labels: bool) -> tuple[str, ...]:
    """The texts of an example to translate."""
    targets = example.targets if labels else ()
    return (*_around(example), *targets, *(() if example.pair is None else (example.pair,)))


def _around(example: LabelledExample) -> tuple[str, str, str]:
    """The source before the croppable part, that part, and the source after it."""
    start, end = example.croppable or (0, len(example.source))
    return example.source[:start], example.source[start:end], example.source[end:]
