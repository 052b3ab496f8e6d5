"""Token ids in a checkpoint's config.json and generation_config.json, at any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xlgen.core.json_types import JsonObject, JsonValue

_ENDINGS = ("_token_id", "_token_ids", "_token_index")
_LISTS = ("bad_words_ids", "force_words_ids", "suppress_tokens", "begin_suppress_tokens", "special_tokens")
_PAIRS = ("forced_decoder_ids", "sequence_bias")
"""Lists of pairs: a position and an id, or ids and a bias."""


def ids_in(config: JsonObject) -> set[int]:
    """All token ids that a config names. Negative ones, which some configs have for none, do not count."""
    found: set[int] = set()

    def note(index: int) -> int:
        found.add(index)
        return index

    _mapped(config, note)
    return found


def with_ids(config: JsonObject, mapping: Callable[[int], int], sizes: tuple[int, int]) -> JsonObject:
    """A config with other token ids, and at any depth the second of ``sizes`` where ``vocab_size`` is the first."""
    return dict(_resized(_mapped(config, mapping), sizes))


def _resized(config: JsonObject, sizes: tuple[int, int]) -> Iterator[tuple[str, JsonValue]]:
    before, after = sizes
    for key, value in config.items():
        if isinstance(value, dict):
            yield key, dict(_resized(value, sizes))
        else:
            yield key, after if key == "vocab_size" and value == before else value


def _mapped(config: JsonObject, mapping: Callable[[int], int]) -> JsonObject:
    found: JsonObject = {}
    for key, value in config.items():
        if isinstance(value, dict):
            found[key] = _mapped(value, mapping)
        elif key in _PAIRS and isinstance(value, list):
            found[key] = [_pair(key, each, mapping) for each in value]
        elif key.endswith(_ENDINGS) or key in _LISTS:
            found[key] = _each(value, mapping)
        else:
            found[key] = value
    return found


def _pair(key: str, pair: JsonValue, mapping: Callable[[int], int]) -> JsonValue:
    if not isinstance(pair, list) or len(pair) != 2:
        return pair
    first, second = pair
    return [first, _each(second, mapping)] if key == "forced_decoder_ids" else [_each(first, mapping), second]


def _each(value: JsonValue, mapping: Callable[[int], int]) -> JsonValue:
    if isinstance(value, list):
        return [_each(each, mapping) for each in value]
    is_id = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return mapping(value) if is_id else value
