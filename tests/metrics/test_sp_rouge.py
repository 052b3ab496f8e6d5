import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from xlgen.backbones.loading import embedded
from xlgen.core.registry import InputError
from xlgen.metrics.base import Example
from xlgen.metrics.pieces import subword_splitter
from xlgen.metrics.sentences import sentences
from xlgen.metrics.sp_rouge import SpRouge

Shared = Callable[[str], Path]
VARIANTS = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
XQUAD = ["ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"]
POCKET = str(embedded()["pocket-mt5"])


@pytest.fixture(scope="session")
def vocabulary(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,000 unigram pieces of the first lines of all languages of NTREX-128."""
    from sentencepiece import SentencePieceTrainer

    folder = tmp_path_factory.mktemp("pieces")
    files = sorted(shared("ntrex128").glob("*.txt"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").split("\n")[:120]]
    (folder / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    options = {"vocab_size": 3000, "num_threads": 1, "minloglevel": 2}
    SentencePieceTrainer.train(input=str(folder / "text.txt"), model_prefix=str(folder / "ntrex"), **options)
    return folder / "ntrex.model"


class Given:
    """A tokenizer as ``rouge_score`` takes it, over one of another library."""

    def __init__(self, tokenize: Callable[[str], list[str]]) -> None:
        self.tokenize = tokenize


@pytest.fixture(params=["sentencepiece", "hugging face"])
def both(request: pytest.FixtureRequest) -> tuple[str, Given]:
    """The name of a tokenizer, and the same tokenizer from its own library."""
    if request.param == "hugging face":
        from transformers import AutoTokenizer

        return POCKET, Given(AutoTokenizer.from_pretrained(POCKET).tokenize)
    from sentencepiece import SentencePieceProcessor

    path = str(request.getfixturevalue("vocabulary"))
    processor = SentencePieceProcessor(model_file=path)
    return path, Given(lambda text: processor.encode(text, out_type=str))


def pairs(shared: Shared, code: str) -> list[tuple[str, str]]:
    """Openings of paragraphs, a sentence a line, beside a question and the next opening or a part of the same."""
    data: Any = json.loads(shared(f"xquad/xquad.{code}.json").read_text(encoding="utf-8"))["data"]
    cut = sentences("marks", code)
    found = []
    for paragraph in [paragraph for article in data for paragraph in article["paragraphs"]][::8]:
        text = "\n".join(line.strip() for line in cut(paragraph["context"][:260]))
        found.append((text, f"{paragraph['qas'][0]['question']}\n{paragraph['context'][40:180]}"))
    return found


def scores(examples: list[Example], metric: SpRouge) -> np.ndarray:
    found = metric.per_example(examples)
    return np.stack([found[f"sp_{name}"] for name in VARIANTS], axis=1)


@pytest.mark.spread(1)
@pytest.mark.parametrize("code", XQUAD)
def test_xquad_equals_rouge_score_given_the_tokenizer(shared: Shared, both: tuple[str, Given], code: str) -> None:
    name, tokenizer = both
    texts = pairs(shared, code)
    assert len(texts) == 30
    ours = scores([Example(code, one, (other,)) for one, other in texts], SpRouge(name))
    scorer = RougeScorer(VARIANTS, tokenizer=tokenizer)
    theirs = [[found[variant].fmeasure for variant in VARIANTS] for found in (scorer.score(b, a) for a, b in texts)]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert (ours > 0).mean() > 0.95
    assert (ours[:, 2] != ours[:, 3]).any()


TEXT = st.text("กิน ที่ السَّلامُ नमस्ते 我爱北京 タワー кот cat\n\ud800☃", max_size=30)


@given(TEXT, TEXT)
@settings(max_examples=100, deadline=None)
def test_laws(one: str, other: str) -> None:
    examples = [Example("th", *pair) for pair in ((one, (other,)), (other, (one,)), (one, (one,)), (one, (other, one)))]
    there, back, same, more = scores(examples, SpRouge(POCKET))
    assert ((there >= 0) & (there <= 1)).all()
    np.testing.assert_array_equal(there[:3], back[:3])
    assert set(same) <= {0.0, 1.0}
    assert (more >= there).all()
    if "\n" not in one + other:
        assert there[2] == there[3]


def test_unknown_characters_are_not_all_alike() -> None:
    same, different = scores([Example("zh", "☃", ("☃",)), Example("zh", "☃", ("☄",))], SpRouge(POCKET))
    assert same[0] == 1
    assert different[0] < 1


def test_sentences_of_the_t5_library() -> None:
    example = Example("fr", "un chat dort . un chien mange .", ("un chien mange . un chat dort .",))
    newline, t5 = (scores([example], SpRouge(POCKET, sentences=rule))[0, 3] for rule in ("newline", "t5"))
    assert newline < t5


HOSTILE = ["", "\ud800", "\x00", "\u202e", "</s>", "x" * 1_000_000, "a b " * 20_000]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["pocket", "vocabulary"])
def test_hostile_text_is_scored(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = POCKET if name == "pocket" else str(request.getfixturevalue(name))
    examples = [Example("th", one, (other,)) for one, other in pairwise([*HOSTILE, HOSTILE[-1]])]
    found = scores(examples, SpRouge(tokenizer))
    assert ((found >= 0) & (found <= 1)).all()


def test_a_tokenizer_goes_by_file_folder_and_digest(vocabulary: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my mt5"
    folder.mkdir()
    (folder / "spiece.model").write_bytes(vocabulary.read_bytes())
    assert subword_splitter(str(folder)).split("Hello кот") == subword_splitter(str(vocabulary)).split("Hello кот")
    digest = subword_splitter(str(vocabulary)).name.removeprefix("ntrex.model@")
    assert SpRouge(str(folder)).signature("th") == f"tok:my_mt5@{digest}|sent:newline"
    file = Path(POCKET) / "tokenizer.json"
    assert subword_splitter(str(file)).name == subword_splitter(POCKET).name.replace("pocket-mt5", "tokenizer.json")


def test_wrong_tokenizers_say_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name, message in [
        ("nobody/nothing-here", r"no tokenizer 'nobody/nothing-here'.*Pass the path of a SentencePiece"),
        ("/no/such/file.model", "no tokenizer '/no/such/file.model'.*Pass the path"),
        (str(tmp_path), "it has none of tokenizer.json, spiece.model"),
    ]:
        with pytest.raises(InputError, match=message):
            subword_splitter(name)
    for name in ("broken.model", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
        with pytest.raises(InputError, match="is not a"):
            subword_splitter(str(tmp_path / name))
