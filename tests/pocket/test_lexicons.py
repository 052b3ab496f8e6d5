"""Every lexicon: the concepts of English, clean text in its own script and punctuation, answers that can be found."""

from dataclasses import replace
from difflib import SequenceMatcher
from functools import cache
from importlib import resources
from itertools import cycle

import pytest
import regex

from xlgen.core.languages import Language
from xlgen.metrics.lid import load_identifier
from xlgen.pocket import world
from xlgen.pocket.world import LANGUAGES, SPLITS, Story, draw_frame, frames, lexicon, render

ENGLISH = lexicon("en")
# What may stand in text beside letters, digits and single spaces.
PUNCTUATION = {
    "en": "“”.,:?",
    "fr": "«»’.,:?-\u00a0\u202f",
    "es": "«».,:?¿",
    "de": "„“.,:?-",
    "vi": "“”.,:?",
    "tr": "“”.,:?'’",
    "ru": "«»—.,:?-",
    "ar": "«»،.:؟",
    "hi": "“”।,:?-",
    "th": "“”?",
    "zh": "“”·。，：？",
    "ja": "「」・。、？",
}
# Kinds of questions whose answer is inflected where it stands in the document, by language. None so far.
INFLECTED: dict[str, set[str]] = {}


@cache
def stories(language: str) -> tuple[Story, ...]:
    return tuple(render(frame, language) for split in SPLITS for frame in frames(split, 75))


def texts(story: Story) -> list[str]:
    return [story.document, story.summary, story.title, *(text for pair in story.questions.values() for text in pair)]


def test_languages_and_scripts() -> None:
    files = resources.files("xlgen.pocket").joinpath("lexicons").iterdir()
    assert sorted(file.name for file in files if file.name.endswith(".yaml")) == sorted(f"{x}.yaml" for x in LANGUAGES)
    assert len(LANGUAGES) >= 12
    assert len({Language.parse(code).script for code in LANGUAGES}) >= 7


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_keys_as_english(language: str) -> None:
    book = lexicon(language)
    assert book["language"] == language
    assert set(book) == set(ENGLISH)
    assert set(book["terms"]) == set(ENGLISH["terms"])
    for kind, concepts in ENGLISH["terms"].items():
        assert set(book["terms"][kind]) == set(concepts), kind
    assert set(book["questions"]) == set(ENGLISH["questions"])
    # As many ways of saying a thing: what variant k says is then parallel.
    assert {k: len(v) for k, v in book["sentences"].items()} == {k: len(v) for k, v in ENGLISH["sentences"].items()}


@pytest.mark.spread(4)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_fits_every_template(language: str) -> None:
    """All agents with all actions, and all else in turn: no form is missing (fill raises GrammarError)."""
    terms = ENGLISH["terms"]
    turn = {name: cycle(terms[kind]) for name, kind in [("reason", "reasons"), ("name", "names"), ("month", "months")]}
    rest = {"result": cycle(terms["results"]), "quote": cycle(terms["quotes"]), "weekday": cycle(terms["weekdays"])}
    base = draw_frame("train", 0)
    numbers = cycle(range(len(world._LAYOUTS) * 2 - 1))
    for agent in terms["agents"]:
        for action in terms["actions"]:
            k = next(numbers)
            words = {name: next(values) for name, values in (turn | rest).items()}
            frame = replace(base, agent=agent, action=action, agent2=agent, action2=action, **words)
            story = render(replace(frame, layout=k % len(world._LAYOUTS), variants=(k % 3,) * 8), language)
            assert all(texts(story))


@pytest.mark.spread(4)
@pytest.mark.parametrize("language", LANGUAGES)
def test_text_is_clean(language: str) -> None:
    odd = regex.compile(rf"[^\p{{L}}\p{{M}}\p{{N}} {regex.escape(PUNCTUATION[language], special_only=False)}]")
    for story in stories(language):
        for text in texts(story):
            assert not odd.search(text), f"{odd.search(text)} in {text}"
            assert text == text.strip()
            assert "  " not in text
        assert not regex.search(r"[.,:،,。，、：।]{2}|\s[.,،。，、।]", story.document), story.document


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_no_ascii_punctuation_where_the_script_has_its_own(language: str) -> None:
    for story in stories(language):
        for text in texts(story):
            assert not regex.search(r"[\x00-\x7f--[0-9]]", text, regex.V1), text


@pytest.mark.parametrize("language", ["ru", "ar", "hi", "th", "zh", "ja"])
def test_no_latin_letters_in_other_scripts(language: str) -> None:
    assert not any(regex.search(r"\p{Latin}", text) for story in stories(language) for text in texts(story))


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_begin_with_a_capital(language: str) -> None:
    for story in stories(language):
        for sentence in (*story.sentences, story.summary, story.title):
            first = next(char for char in sentence if char.isalnum())
            assert not first.islower(), sentence


@pytest.mark.parametrize("language", LANGUAGES)
def test_summaries_are_identified_as_their_language(language: str) -> None:
    labels = [label for label, _ in load_identifier().identify([story.summary for story in stories(language)])]
    share = labels.count(Language.parse(language).fasttext) / len(labels)
    assert share >= 0.97, {label: labels.count(label) for label in set(labels)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_stand_in_the_document(language: str) -> None:
    for story in stories(language):
        for kind, (_, answer) in story.questions.items():
            if kind not in INFLECTED.get(language, ()):
                assert answer.lower() in story.document.lower(), f"{kind}: {answer} in {story.document}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_action_names_the_same_thing_in_both_ways_of_telling_it(language: str) -> None:
    """``o`` and ``pas`` share a stem: object and subject may differ in case and article, not in the noun."""
    for name, action in lexicon(language)["terms"]["actions"].items():
        one, other = action["o"].lower(), action["pas"].lower()
        common = SequenceMatcher(None, one, other, autojunk=False).find_longest_match().size
        assert common / len(one) > 1 / 3, (name, one, other)


@pytest.mark.parametrize("language", LANGUAGES)
def test_concepts_differ(language: str) -> None:
    terms = lexicon(language)["terms"]
    for kind, entries in terms.items():
        found = [repr(entry) for entry in entries.values()]
        assert len(set(found)) == len(found), kind
