"""Language controls: what each may and may not change, on the pretrained pocket-mt5."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import regex
import torch

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.core.languages import Language
from xlgen.core.registry import InputError, UnknownNameError
from xlgen.core.yaml_config import RecipeError
from xlgen.data.examples import LabelledExample
from xlgen.data.markup import token
from xlgen.decoding.control import Decoder, LanguageControl, Request, controls
from xlgen.decoding.control.vocabulary_mask import VocabularyMask, foreign
from xlgen.decoding.decode import generate, hypotheses
from xlgen.decoding.settings import Decoding, Hypothesis
from xlgen.pocket import world

STORIES = {code: world.render(next(world.frames("validation", 1)), code) for code in world.LANGUAGES}


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return loading.load("pocket-mt5")


def request(backbone: Backbone, source: str, target: str, before: str = "") -> Request:
    example = LabelledExample("0", target, before + STORIES[source].document, ("",), "here", None)
    return Request(backbone.encode_source(example, 256)[0], target)


class Scripted(Decoder):
    """A decoder with given hypotheses."""

    def __init__(self, backbone: Backbone, answers: Sequence[Sequence[str]], beams: int = 4) -> None:
        super().__init__(backbone, Decoding(8, num_beams=beams))
        self.answers = list(answers)

    def __call__(self, requests: Sequence[Request], count: int = 1, processors: Any = None) -> list[list[Hypothesis]]:
        self.generated += len(requests)
        taken, self.answers = self.answers[: len(requests)], self.answers[len(requests) :]
        return [[Hypothesis(text, -float(i)) for i, text in enumerate(texts)][:count] for texts in taken]


EN, FR, TH, RU = (STORIES[code].summary for code in ("en", "fr", "th", "ru"))


@pytest.mark.parametrize(
    ("piece", "script", "expected"),
    [
        ("▁maison", "Latn", False),
        ("▁дом", "Latn", True),
        ("▁дом", "Cyrl", False),
        ("บ้าน", "Thai", False),
        ("▁house", "Thai", True),
        ("▁घर", "Deva", False),
        ("家", "Jpan", False),
        ("ーと", "Jpan", False),
        ("家", "Hans", False),
        ("と", "Hans", True),
        ("بيت", "Arab", False),
        ("▁", "Arab", False),
        ("12.5", "Arab", False),
        ("،", "Latn", False),
        ("<0xE0>", "Thai", False),
        ("</s>", "Latn", False),
        ("", "Latn", False),
    ],
)
def test_foreign_pieces(piece: str, script: str, expected: bool) -> None:
    assert foreign([piece], script) == [expected]


@pytest.mark.parametrize("code", world.LANGUAGES)
def test_no_piece_of_a_language_is_foreign_to_its_script(code: str, backbone: Backbone) -> None:
    pieces = backbone.tokenizer.tokenize(STORIES[code].document)
    names = {piece for piece, odd in zip(pieces, foreign(pieces, Language.parse(code).script), strict=True) if odd}
    assert not names


@pytest.mark.covering(1)
@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("code", ["ru", "th", "ja", "hi"])
def test_under_a_hard_mask_only_the_targets_script_is_written(code: str, beams: int, backbone: Backbone) -> None:
    control = controls.build({"name": "vocabulary_mask", "strength": 1e4, "allow_source": False})
    text = control.generate(Decoder(backbone, Decoding(24, num_beams=beams)), [request(backbone, "en", code)])[0]
    assert text
    letters = "".join(regex.findall(r"\p{L}+", text))
    assert foreign([letters], Language.parse(code).script) == [False], text
    assert "extra_id" not in text


def test_the_source_is_allowed_by_default(backbone: Backbone) -> None:
    """English pieces of the input stay possible in a Russian output; other English ones do not."""
    asked = request(backbone, "en", "ru")
    biases = []

    class Watched(Decoder):
        def __call__(
            self, requests: Sequence[Request], count: int = 1, processors: Any = None
        ) -> list[list[Hypothesis]]:
            biases.append(processors("ru", requests[0].source)[0].bias(torch.zeros(1, 1)))
            return super().__call__(requests, count, processors)

    VocabularyMask(VocabularyMask.Options(strength=3.0)).generate(Watched(backbone, Decoding(4)), [asked])
    bias = biases[0]
    assert set(bias[list(asked.source)].tolist()) == {0.0}
    tokenizer = backbone.tokenizer
    assert bias[tokenizer.eos_token_id] == 0
    elsewhere = [i for i in backbone.tokenize(STORIES["en"].title + " the and with") if i not in asked.source]
    assert set(bias[backbone.tokenize(STORIES["ru"].summary)].tolist()) == {0.0}
    assert set(bias[backbone.sentinels(5)].tolist()) == {-3.0}
    assert set(bias.tolist()) == {0.0, -3.0}
    assert all(bias[i] == -3 for i in elsewhere if foreign(tokenizer.convert_ids_to_tokens([i]), "Cyrl")[0])


def test_a_corpus_distinguishes_languages_of_one_script(backbone: Backbone) -> None:
    control = controls.build({"name": "vocabulary_mask", "corpus": {"reader": "pocket", "size": 300}, "strength": 5})
    assert isinstance(control, VocabularyMask)
    decode = Decoder(backbone, Decoding(4))
    masks = {code: control.mask(decode, code) for code in ("fr", "es")}
    share = {
        (mask, text): float((masks[mask][backbone.tokenize(STORIES[text].summary)] < 0).float().mean())
        for mask in masks
        for text in masks
    }
    assert share["fr", "fr"] < 0.05 and share["es", "es"] < 0.05, share
    assert share["fr", "es"] > 0.3 and share["es", "fr"] > 0.3, share


def test_a_corpus_without_the_language_is_an_error(backbone: Backbone, tmp_path: Path) -> None:
    (tmp_path / "fr.jsonl").write_text("")
    control = controls.build({"name": "vocabulary_mask", "corpus": {"reader": "jsonl", "path": "{language}.jsonl"}})
    with pytest.raises(InputError, match="no text in fr"):
        control.generate(Decoder(backbone, Decoding(4), tmp_path), [request(backbone, "fr", "fr")])


@pytest.mark.parametrize(
    ("hypotheses_given", "language", "expected"),
    [
        ([EN, FR, TH], "fr", FR),
        ([EN, TH, TH], "fr", EN),  # none is French: the best stays
        ([FR, EN, TH], "fr", FR),
        (["<extra_id_0>", TH, EN], "th", TH),
        (["", EN, RU], "ru", RU),
    ],
)
def test_rerank(hypotheses_given: list[str], language: str, expected: str, backbone: Backbone) -> None:
    control = controls.build({"name": "rerank", "candidates": 3})
    assert control.generate(Scripted(backbone, [hypotheses_given]), [Request((1,), language)]) == [expected]


def test_rerank_keeps_rows_apart(backbone: Backbone) -> None:
    decode = Scripted(backbone, [[EN, FR], [FR, TH], [RU, EN]])
    found = controls.build({"name": "rerank", "candidates": 2}).generate(
        decode, [Request((1,), "fr"), Request((2,), "th"), Request((3,), "ru")]
    )
    assert found == [FR, TH, RU]


def test_rerank_needs_beams(backbone: Backbone) -> None:
    with pytest.raises(InputError, match=r"4 candidates.*2 beams; raise num_beams"):
        controls.build("rerank").generate(Decoder(backbone, Decoding(8, num_beams=2)), [Request((1,), "fr")])


def test_retry_decodes_only_wrong_outputs_again(backbone: Backbone) -> None:
    # Row 1 is right at once, row 2 is fixed, row 3 is wrong both times and keeps its first text.
    decode = Scripted(backbone, [[FR], [EN], [EN], [TH], [RU]])
    found = controls.build("retry").generate(decode, [Request((1,), "fr"), Request((2,), "th"), Request((3,), "fr")])
    assert found == [FR, TH, EN]
    assert decode.generated == 5


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ("vocabulary_musk", UnknownNameError, "did you mean 'vocabulary_mask'"),
        ({"strength": 2}, RecipeError, "needs a `name`"),
        ({"name": "rerank", "candidate": 2}, RecipeError, "did you mean 'candidates'"),
        ({"name": "vocabulary_mask", "strength": 0}, RecipeError, "strength: .*greater than 0"),
        ({"name": "retry", "under": {"name": "rerunk"}}, RecipeError, "did you mean 'rerank'"),
    ],
)
def test_wrong_controls(config: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        controls.build(config)


@pytest.mark.spread(2)
@pytest.mark.parametrize("name", controls.names())
def test_every_control_keeps_order_and_takes_no_requests(name: str, backbone: Backbone) -> None:
    control: LanguageControl = controls.build(name)
    decode = Decoder(backbone, Decoding(16, num_beams=4), outputs=("no", "да"))
    assert control.generate(decode, []) == []
    # One word with its sentinel, where a control tags words.
    asked = [request(backbone, code, code, token("<extra_id_0>")) for code in ("fr", "th", "fr", "ru")]
    together = control.generate(decode, asked)
    assert together == [controls.build(name).generate(decode, [each])[0] for each in asked]


def test_hypotheses_are_the_beams_of_transformers(backbone: Backbone) -> None:
    sources = [request(backbone, code, code).source for code in ("fr", "th", "en")]
    decoding = Decoding(10, num_beams=4)
    found = hypotheses(backbone, sources, ["fr", "th", "en"], decoding, count=3)
    assert [best[0].text for best in found] == generate(backbone, sources, ["fr", "th", "en"], decoding)
    for source, best in zip(sources, found, strict=True):
        theirs = backbone.model.generate(
            input_ids=torch.tensor([source]),
            max_new_tokens=10,
            num_beams=4,
            num_return_sequences=3,
            length_penalty=0.6,
            return_dict_in_generate=True,
            output_scores=True,
        )
        assert [each.text for each in best] == [backbone.decode(row[1:]) for row in theirs.sequences.tolist()]
        assert [each.score for each in best] == pytest.approx(theirs.sequences_scores.tolist(), abs=1e-4)
        assert sorted((each.score for each in best), reverse=True) == [each.score for each in best]


def test_no_hypotheses_of_nothing(backbone: Backbone) -> None:
    assert hypotheses(backbone, [], [], Decoding(4), 1) == []
