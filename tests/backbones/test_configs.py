"""Values in the JSON files of a checkpoint that no model has: errors that name them, or without effect."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.heads import HeadSpec
from xlgen.backbones.loading import load
from xlgen.core.registry import InputError
from xlgen.decoding.decode import generate
from xlgen.decoding.settings import Decoding

ENCODERS = ("bert", "xlm-roberta")


@pytest.fixture
def copy_of(checkpoint: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: shutil.copytree(checkpoint(name), tmp_path / name)


def put(file: Path, **values: Any) -> None:
    data = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**data, **values}), encoding="utf-8")


def answers(folder: Path) -> Sequence[Any]:
    """What the model in a folder makes of a text, by both searches, or under a fresh head."""
    head = HeadSpec("tagging", ("A", "B")) if folder.name in ENCODERS else None
    backbone: Backbone = load(str(folder), languages=("en", "fr"), head=head)
    backbone.check_languages(("th",), allow_unknown=True)
    ids = backbone.source(backbone.tokenize("The mayor opened it."), "en")
    if folder.name in ENCODERS:
        return backbone.logits([ids], 100)[0].tolist()  # type: ignore[attr-defined]
    engines = ("xlgen", "transformers")
    return [generate(backbone, [ids], ["fr"], Decoding(max_new_tokens=3, engine=engine))[0] for engine in engines]


@pytest.mark.parametrize("value", [3, True, 2.5, "en", {"en": 1}, [3], [None], ["no language"], [["en"]], float("nan")])
@pytest.mark.parametrize("name", ["mt5", "mbart", *ENCODERS])
def test_languages_that_are_none(copy_of: Callable[[str], Path], name: str, value: Any) -> None:
    folder = copy_of(name)
    put(folder / "config.json", xlgen_languages=value)
    with pytest.raises(BackboneError, match=r"cannot be read: xlgen_languages is .*, and must be a list of codes"):
        load(str(folder), encoder_only=True)


@pytest.mark.spread(3)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("return_dict", False),
        ("return_dict", None),
        ("output_hidden_states", True),
        ("output_attentions", True),
        ("chunk_size_feed_forward", 2),
        ("sliding_window", "x"),
        ("sliding_window", 1),
        ("layer_types", ["x"]),
    ],
)
@pytest.mark.parametrize("name", ["mt5", "mbart", "nllb", *ENCODERS])
def test_keys_of_a_config_that_decide_no_answer(
    copy_of: Callable[[str], Path], name: str, key: str, value: Any
) -> None:
    folder = copy_of(name)
    before = answers(folder)
    put(folder / "config.json", **{key: value})
    try:
        assert answers(folder) == before
    except InputError as error:  # the library refuses some by their type
        assert key in str(error)


@pytest.mark.spread(2)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("eos_token_id", "x"),
        ("eos_token_id", [3, 4]),
        ("pad_token_id", float("nan")),
        ("stop_strings", ["the"]),
        ("penalty_alpha", 2.5),
        ("guidance_scale", "x"),
        ("guidance_scale", 2.5),
        ("prompt_lookup_num_tokens", []),
        ("output_hidden_states", "x"),
        ("num_beams", 5),
        ("forced_bos_token_id", 7),
    ],
)
@pytest.mark.parametrize("name", ["mt5", "mbart"])
def test_settings_of_a_checkpoint_s_own_search(copy_of: Callable[[str], Path], name: str, key: str, value: Any) -> None:
    """Neither search is by them."""
    folder = copy_of(name)
    before = answers(folder)
    put(folder / "generation_config.json", **{key: value})
    assert answers(folder) == before


@pytest.mark.parametrize(
    ("name", "file", "values", "message"),
    [
        ("mt5", "config.json", {"decoder_start_token_id": None}, "names no decoder_start_token_id"),
        ("mt5", "config.json", {"decoder_start_token_id": []}, "decoder_start_token_id is '\\[\\]'"),
        ("mt5", "config.json", {"dropout_rate": float("nan")}, "dropout_rate is 'nan', and must be"),
        ("mbart", "config.json", {"encoder_layerdrop": 2}, "encoder_layerdrop is '2', and must be"),
        ("xlm-roberta", "config.json", {"pad_token_id": None}, "names no pad_token_id"),
        ("mt5", "tokenizer_config.json", {"pad_token": None}, "has no pad_token"),
        ("mbart", "tokenizer_config.json", {"eos_token": 3}, "eos_token is '3', and must be a text"),
        ("bert", "tokenizer_config.json", {"sep_token": None}, "has no sep_token"),
        (
            "bert",
            "tokenizer_config.json",
            {"cls_token": "no such token"},
            "has no cls_token, or one that the model has",
        ),
        ("mt5", "tokenizer_config.json", {"eos_token": "no such token"}, "has no eos_token, or one that the model has"),
        ("mt5", "tokenizer_config.json", {"unk_token": ""}, "unk_token is '', and must be a text"),
        ("mt5", "special_tokens_map.json", {"unk_token": {"x": 1}}, "unk_token is .*, and must be a text"),
        ("mt5", "special_tokens_map.json", {"pad_token": None}, "has no pad_token"),
        ("mt5", "added_tokens.json", {"<x>": "y"}, "the id of '<x>' is 'y', and must be a whole number"),
        ("mt5", "added_tokens.json", {"<x>": -1}, "the id of '<x>' is '-1'"),
        ("mt5", "added_tokens.json", {"<x>": 10**30}, "the id of '<x>' is '1000"),
    ],
)
def test_values_that_no_model_has(
    copy_of: Callable[[str], Path], name: str, file: str, values: dict[str, Any], message: str
) -> None:
    folder = copy_of(name)
    put(folder / file, **values)
    with pytest.raises(BackboneError, match=message):
        load(str(folder), encoder_only=True)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '"x"', "[" * 3_000, "\ufffe", '{"x": 1e400', "null"])
@pytest.mark.parametrize(
    "file",
    ["config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"],
)
def test_files_that_hold_no_object(copy_of: Callable[[str], Path], file: str, content: str) -> None:
    folder = copy_of("mt5")
    (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(BackboneError, match=rf"{file} cannot be read"):
        load(str(folder))


@pytest.mark.exhaustive
@pytest.mark.parametrize("values", [{"<x>": "y"}, {"<x>": None}, {"<x>": []}, {"<x>": 10**12}, {"<x>": 3}, {"</s>": 9}])
def test_added_tokens_beside_sentencepiece(
    hub_checkpoint: Callable[[str], Path], tmp_path: Path, values: dict[str, Any]
) -> None:
    """Where there is no tokenizer.json, the library reads them."""
    copy = shutil.copytree(hub_checkpoint("mt5"), tmp_path / "mt5")
    put(copy / "added_tokens.json", **values)
    try:
        answers(copy)
    except InputError as error:
        assert str(copy) in str(error)
