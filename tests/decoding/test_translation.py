"""Translation by a backbone: what stays in its place, and what a real translator makes of real sentences."""

from collections.abc import Sequence

import pytest

from xlgen.backbones.base import BackboneError
from xlgen.data.examples import LabelledExample
from xlgen.decoding.translation import Translator
from xlgen.metrics.base import Example
from xlgen.metrics.rouge import Rouge
from xlgen.pocket import world


class Marked(Translator):
    """Writes the target language before each sentence instead of translating it."""

    def _sentences(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        return [f"{target}:{text}" for text in texts]


@pytest.fixture
def marked() -> Translator:
    return Marked(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "source", "target", "expected"),
    [
        ("One. Two!", "en", "fr", "fr:One. fr:Two!"),
        ("一。二！", "zh", "en", "en:一。 en:二！"),
        ("One. Two!", "en", "zh", "zh:One.zh:Two!"),
        ("एक। दो।", "hi", "ja", "ja:एक।ja:दो।"),
        ("واحد؟ اثنان.", "ar", "ru", "ru:واحد؟ ru:اثنان."),
        ("no end", "en", "de", "de:no end"),
        ("", "en", "de", ""),
        ("  ", "en", "de", ""),
        ("One. Two!", "en", "en", "One. Two!"),
    ],
)
def test_sentence_by_sentence(text: str, source: str, target: str, expected: str, marked: Translator) -> None:
    assert marked.texts([text, text], source, target) == [expected, expected]


def test_examples_keep_their_order_and_what_may_be_cropped(marked: Translator) -> None:
    def example(number: int, code: str, source: str, croppable: tuple[int, int] | None) -> LabelledExample:
        return LabelledExample(str(number), code, source, ("yes.", "no."), f"row {number}", croppable)

    rows = [
        example(0, "en", "A long text. Why?", (0, 12)),
        example(1, "fr", "Un texte.", None),
        example(2, "en", "Read: a text.", (6, 13)),
        example(3, "de", "schon da", (0, 8)),
    ]
    moved = marked.examples(rows, "de")
    assert [(each.id, each.language, each.where) for each in moved] == [(str(n), "de", f"row {n}") for n in range(4)]
    assert moved[0].source == "de:A long text. de:Why?"
    assert moved[0].targets == ("de:yes.", "de:no.")
    assert moved[1].croppable is None
    assert moved[3].source == "schon da"
    for each, inside in zip(moved, ("de:A long text.", None, "de:a text.", "schon da"), strict=True):
        if inside is not None:
            assert each.croppable is not None
            assert each.source[slice(*each.croppable)] == inside


def test_both_texts_of_a_pair_are_moved_and_the_labels_of_a_head_stay(marked: Translator) -> None:
    example = LabelledExample("1", "zh", "一。二！", ("entailment",), "here", pair="三。", group="q")
    (moved,) = marked.examples([example], "ru", labels=False)
    assert (moved.source, moved.pair, moved.targets) == ("ru:一。 ru:二！", "ru:三。", ("entailment",))
    assert (moved.group, moved.language) == ("q", "ru")


def test_a_translator_needs_codes_and_languages() -> None:
    with pytest.raises(BackboneError, match="has no language codes"):
        Translator.load("pocket-mt5", ("en", "fr"))
    with pytest.raises(BackboneError, match="does not know Greek"):
        Translator.load("pocket-nllb", ("en", "el"))


@pytest.mark.spread(2)
@pytest.mark.parametrize(("source", "target"), [("en", "fr"), ("th", "en"), ("ru", "zh"), ("en", "ar"), ("ja", "hi")])
def test_pocket_nllb_translates_the_pocket_world(source: str, target: str) -> None:
    frames = list(world.frames("validation", 4))
    translator = Translator.load("pocket-nllb", (source, target))
    found = translator.texts([world.render(frame, source).summary for frame in frames], source, target)
    wanted = [world.render(frame, target).summary for frame in frames]
    examples = [Example(target, text, (reference,)) for text, reference in zip(found, wanted, strict=True)]
    scores = Rouge().per_example(examples)["rougeL"]
    assert scores.mean() > 0.5, list(zip(found, wanted, strict=True))
