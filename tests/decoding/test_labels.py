"""Outputs limited to labels: as the library's search with `prefix_allowed_tokens_fn`, for every family."""

import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from encoders import SENTENCES
from xlgen.backbones.base import Backbone
from xlgen.core.config import Recipe, validate
from xlgen.core.registry import InputError
from xlgen.data.examples import LabelledExample
from xlgen.data.markup import shown, token
from xlgen.data.tasks import load_task
from xlgen.data.templates import sentinels, written
from xlgen.decoding.control import Decoder, Request, controls
from xlgen.decoding.control.labels import PrefixTree
from xlgen.decoding.control.tags import TagTree, items_of
from xlgen.decoding.settings import Decoding
from xlgen.metrics.tags import tags
from xlgen.training.run import train

CODES = ("en", "ru", "th", "ja")
# One is the beginning of another, some share theirs, and they are of several scripts.
LABELS = (*(token("<extra_id_0>") + text for text in ("No.", "Yes.", "Yes. And no.")), "ใช่", "да", "はい", "没有")


def requests(backbone: Backbone) -> list[Request]:
    examples = [LabelledExample(code, code, " ".join(SENTENCES[code]), ("",), "here") for code in CODES]
    return [Request(backbone.encode_source(example, 64)[0], example.language) for example in examples]


def theirs(backbone: Backbone, request: Request, beams: int, longest: int, labels: Sequence[str]) -> str:
    """The library's search of one input: a list of labels' ids, and what follows the ids written so far in any."""
    start = backbone.decoder_start([request.language])
    ids = [[*backbone.tokenize(text), backbone.tokenizer.eos_token_id] for text in labels]

    def allowed(_: int, sequence: Any) -> list[int]:
        done = sequence[start.shape[1] :].tolist()
        return sorted({label[len(done)] for label in ids if label[: len(done)] == done and len(label) > len(done)}) or [
            backbone.tokenizer.eos_token_id
        ]

    more = {"length_penalty": 0.6} if beams > 1 else {}
    found = backbone.model.generate(
        input_ids=torch.tensor([request.source]),
        decoder_input_ids=start,
        decoder_start_token_id=int(start[0, 0]),
        max_new_tokens=longest,
        num_beams=beams,
        early_stopping=False,
        forced_bos_token_id=None,
        forced_eos_token_id=None,
        prefix_allowed_tokens_fn=allowed,
        **more,
    )
    return backbone.decode(found[0, start.shape[1] :].tolist())


@pytest.mark.covering(1)
@pytest.mark.parametrize("beams", [1, 3])
def test_labels_are_those_of_the_librarys_search(any_backbone: Backbone, beams: int) -> None:
    """By our own search, by the library's under the control, and whatever else is in the batch."""
    any_backbone.model.eval()
    asked = requests(any_backbone)
    longest = PrefixTree(any_backbone, LABELS).longest
    decode = Decoder(any_backbone, Decoding(longest, num_beams=beams), outputs=LABELS)
    expected = [theirs(any_backbone, request, beams, longest, LABELS) for request in asked]
    assert controls.build("labels").generate(decode, asked) == expected
    assert controls.build("labels").generate(decode, asked[1:2]) == expected[1:2]
    other = Decoder(any_backbone, Decoding(longest, num_beams=beams, engine="transformers"), outputs=LABELS)
    assert controls.build("labels").generate(other, asked) == expected
    assert set(expected) <= {any_backbone.decode(any_backbone.tokenize(label)) for label in LABELS}


def test_the_set_may_be_given_and_smaller_than_the_beams(any_backbone: Backbone) -> None:
    asked = requests(any_backbone)[:2]
    control = controls.build({"name": "labels", "labels": ["да"]})
    found = control.generate(Decoder(any_backbone, Decoding(12, num_beams=4), outputs=LABELS), asked)
    assert set(found) == {any_backbone.decode(any_backbone.tokenize("да"))}


def test_labels_nobody_names_are_an_error(any_backbone: Backbone) -> None:
    asked = requests(any_backbone)[:1]
    with pytest.raises(InputError, match="requires `labels`, or a task whose target"):
        controls.build("labels").generate(Decoder(any_backbone, Decoding(8)), asked)
    with pytest.raises(InputError, match=r"a label has \d+ tokens, but at most 2 are generated; raise max_new_tokens"):
        controls.build("labels").generate(Decoder(any_backbone, Decoding(2), outputs=LABELS), asked)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("{label}", ("да", "нет")),
        ("label", ("да", "нет")),
        ("<extra_id_0>{label}.", ("<extra_id_0>да.", "<extra_id_0>нет.")),
        ("{label:words}", ()),
        ("{label} {other}", ()),
        ("other", ()),
    ],
)
def test_what_a_target_can_be(target: str, expected: tuple[str, ...]) -> None:
    assert tuple(map(shown, written(target, {"label": {"0": "да", "1": "нет"}}))) == expected


@pytest.mark.spread(1)
@pytest.mark.parametrize("backbone", ["mt5", "mbart", "nllb"])
def test_a_run_of_a_task_of_labels_as_text(backbone: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """Every output of an untrained model is a label, and the task says which there are."""
    stage = {
        "task": "pocket-labels",
        "training": {"steps": 1, "train_examples": 2},
        "evaluation": {"languages": ["en", "ja"], "examples": 3, "num_beams": 2, "control": "labels", "bootstrap": 0},
    }
    recipe = validate(Recipe, {"name": "r", "backbone": str(checkpoint(backbone)), "stages": [stage]}, "here")
    train(recipe, tmp_path / "run")
    labels = {"person", "place", "time", "reason"}
    for code in ("en", "ja"):
        lines = (tmp_path / "run" / "predictions" / "step-1" / f"{code}.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in lines.splitlines()]
        assert {row["prediction"].removeprefix("<extra_id_0>").strip() for row in rows} <= labels
    outputs = load_task("pocket-labels", Path()).outputs
    assert tuple(map(shown, outputs)) == tuple(
        f"<extra_id_0>{label}" for label in yaml.safe_load("[person, place, time, reason]")
    )


TAGS = ("NOUN", "PRON", "PROPN", "X")


@pytest.mark.parametrize("words", [1, 3])
def test_a_tree_of_tags_is_the_tree_of_all_their_sequences(any_backbone: Backbone, words: int) -> None:
    """Of each sequence as a whole text, whatever it begins with."""
    every = PrefixTree(any_backbone, [sentinels(sequence) for sequence in product(TAGS, repeat=words)])
    tree = TagTree(any_backbone, items_of(any_backbone, TAGS, words))
    for sequence in product(TAGS, repeat=words):
        ids = any_backbone.tokenize(sentinels(sequence))
        for place in range(len(ids) + 1):
            assert tree.following(ids[:place]) == every.following(ids[:place])


@pytest.mark.spread(3)
@pytest.mark.parametrize("beams", [1, 2])
def test_every_word_has_a_tag(any_backbone: Backbone, beams: int) -> None:
    """An untrained model writes as many tags as there are words, of the set that is given, row by row."""
    examples = [
        LabelledExample(code, code, sentinels(SENTENCES[code][:size]), ("",), "here")
        for code, size in (("en", 2), ("th", 1), ("ja", 3), ("ru", 2))
    ]
    asked = [Request(any_backbone.encode_source(example, 160)[0], example.language) for example in examples]
    control = controls.build({"name": "tags", "labels": TAGS})
    found = control.generate(Decoder(any_backbone, Decoding(60, num_beams=beams)), asked)
    assert [len(tags(shown(text))) for text in found] == [2, 1, 3, 2]
    assert {tag for text in found for tag in tags(shown(text))} <= set(TAGS)
    with pytest.raises(InputError, match=r"requires inputs with a sentinel before each word"):
        control.generate(Decoder(any_backbone, Decoding(60)), requests(any_backbone)[:1])
    with pytest.raises(InputError, match="requires `labels"):
        controls.build("tags").generate(Decoder(any_backbone, Decoding(60)), asked)
