"""Reading and checking of a checkpoint's JSON files before a model or a tokenizer is built from them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.finding import read_config
from xlgen.core.json_types import JsonMapping, JsonValue
from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.kernels.model_types import TransformersConfig

OWN_LANGUAGES = "xlgen_languages"
"""The key of config.json with the languages of an embedded backbone."""
_MOST_LAYERS = 1_000
_LARGEST_SIZE = 16_000_000
_LARGEST_COUNT, _LARGEST_EPSILON = 1_000_000, 0.1
_COUNTS = re.compile(r"(?:^|_)(?:num_)?(?:hidden_|encoder_|decoder_)?layers$")
_SIZES = re.compile(
    r"(?:^|_)(?:d_model|d_kv|d_ff|ffn_dim|hidden_size|intermediate_size|vocab_size|heads|position_embeddings)$"
)
_FORM = {"return_dict": True, "output_hidden_states": False, "output_attentions": False, "chunk_size_feed_forward": 0}
"""Keys that only change the form of a model's outputs, with the values that xlgen needs."""


def load_config(folder: str) -> TransformersConfig:
    """The library's config of a checkpoint, without keys for the form of outputs or for other models.

    Raises BackboneError for a damaged file, and for values that no model has.
    """
    from transformers import AutoConfig

    raw = read_config(folder, "config.json") or {}
    check_sizes(folder, raw)
    _check_languages(folder, raw.get(OWN_LANGUAGES))
    read_config(folder, "generation_config.json")
    try:
        config: TransformersConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        usual = type(config)()
        for key in raw.keys() & vars(config).keys() - {OWN_LANGUAGES}:
            if not hasattr(usual, key):  # keys of other models, some of which shared code of the library would use
                delattr(config, key)
        for key, value in _FORM.items():
            setattr(config, key, value)
    except Exception as error:  # checks of fields raise various classes
        raise BackboneError(f"the config of {folder} cannot be read: {error}") from None
    return config


def check_tokenizer_files(folder: str) -> None:
    """Raise BackboneError if a JSON file of a tokenizer has values that the library fails on."""
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        for key, value in (read_config(folder, file) or {}).items():
            if key.endswith("_token") and not (value is None or _is_token(value)):
                raise BackboneError(
                    f"{file} of {folder} cannot be read: {key} is {str(value)[:40]!r}, and must be a text that is not "
                    "empty, or an object with such a `content`"
                )
    for token, index in (read_config(folder, "added_tokens.json") or {}).items():
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index <= _LARGEST_SIZE:
            raise BackboneError(
                f"added_tokens.json of {folder} cannot be read: the id of {token[:40]!r} is {str(index)[:40]!r}, and "
                f"must be a whole number from 0 to {_LARGEST_SIZE:,}"
            )


def _is_token(value: object) -> bool:
    text = value.get("content") if isinstance(value, Mapping) else value
    return isinstance(text, str) and bool(text)


def check_special_tokens(backbone: Backbone) -> None:
    """Raise BackboneError if a backbone lacks a special token that every input or target needs."""
    config = backbone.model.config
    names = ("pad_token", "eos_token") if backbone.decodes else ("pad_token", "cls_token", "sep_token")
    for name in names:
        if not _is_id(getattr(backbone.tokenizer, f"{name}_id"), config.vocab_size):
            raise BackboneError(
                f"the tokenizer of {backbone.name} has no {name}, or one that the model has no embedding of; name the "
                "right one in tokenizer_config.json"
            )
    key = "decoder_start_token_id" if backbone.decodes else "pad_token_id"
    if not _is_id(backbone.start_token if backbone.decodes else config.pad_token_id, config.vocab_size):
        raise BackboneError(f"the config of {backbone.name} names no {key}; add it to config.json")


def _is_id(value: object, size: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < size


def _check_languages(folder: str, languages: object) -> None:
    if not languages and (languages is None or isinstance(languages, list)):
        return
    try:
        right = isinstance(languages, list) and all(Language.parse(code).code == code for code in languages)
    except (InputError, AttributeError, TypeError):
        right = False
    if not right:
        raise BackboneError(
            f"the config of {folder} cannot be read: {OWN_LANGUAGES} is {str(languages)[:40]!r}, and must be a list of "
            "codes of languages, such as en"
        )


def check_sizes(folder: str, config: JsonMapping) -> None:
    """Raise BackboneError for sizes of which no model can be built, ids outside the vocabulary, and epsilons or dropout
    probabilities that are out of range."""
    for name, value in config.items():
        _check_number(folder, name, value, config.get("vocab_size"))
        counts, sizes = _COUNTS.search(name), _SIZES.search(name)
        if not (counts or sizes) or value is None:
            continue
        most = _MOST_LAYERS if counts else _LARGEST_SIZE
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
            raise BackboneError(
                f"the config of {folder} cannot be read: {name} is {str(value)[:40]!r}, and must be a whole number "
                f"from 1 to {most:,}"
            )


def _check_number(folder: str, name: str, value: JsonValue, vocabulary: object) -> None:
    """Check ids of special tokens, epsilons, dropout probabilities, relative position buckets and numbers of labels."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if value is None:
        return
    if name.endswith("_token_id") and isinstance(vocabulary, int):
        ids = value if isinstance(value, list) else [value]
        # Some published configs have -1 for none.
        right = bool(ids) and all(isinstance(each, int) and -1 <= each < vocabulary for each in ids)
        right = right and (name != "decoder_start_token_id" or ids[0] >= 0)
        wanted = f"an id of the {vocabulary:,} in the vocabulary"
    elif name.endswith(("_eps", "_epsilon")):
        right, wanted = isinstance(value, int | float) and 0 < value <= _LARGEST_EPSILON, "a small number above 0"
    elif "dropout" in name or name.endswith("layerdrop"):
        right, wanted = isinstance(value, int | float) and 0 <= value <= 1, "a number from 0 to 1"
    elif name.startswith("relative_attention_") or name == "num_labels":
        right, wanted = is_whole and 0 < value <= _LARGEST_COUNT, f"a whole number from 1 to {_LARGEST_COUNT:,}"
    elif name.endswith(("_std", "_range", "_factor")):
        right, wanted = isinstance(value, int | float) and math.isfinite(value) and value >= 0, "a number of at least 0"
    else:
        return
    if not right:
        raise BackboneError(
            f"the config of {folder} cannot be read: {name} is {str(value)[:40]!r}, and must be {wanted}"
        )
