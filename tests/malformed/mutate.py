"""Seeded ways to spoil a file or an argument: by bytes, by lines, by values, and by what lies in its place."""

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Any

import yaml

WRONG: tuple[Any, ...] = (
    *(None, True, False, "", "x", " ", "\ud800", "\x00", "[/red]", "../../x", "x" * 3_000, "999999", "\u202e", "{x}"),
    *(0, -1, 1, 2.5, 10**9, 10**30, -(10**30), float("nan"), float("inf"), 1e-320),
    *([], [[]], ["x"], [None], {}, {"x": 1}, {"name": "x"}, {"name": []}, [1, 2, 3]),
)
ARGUMENTS = (
    *(
        "x",
        " ",
        ",",
        "-1",
        "0",
        "nan",
        "inf",
        "1e400",
        "9" * 30,
        "9" * 5_000,
        "x" * 3_000,
        "[/red]",
        "[bold]",
        "../..",
        "/",
    ),
    *("/dev/zero", ".", "{", "[", "{x: [}", "!!str x", "&a [*a]", "a,,b", "en,en", "zz", "{name: x}", "{name: rerank}"),
    *("true", "null", "\x1b[31m", "Klingon", "select", "drop table runs", "select 'x'::int", "--", "-x", "é\u0301"),
)
OVERRIDES = (
    *(
        "training.steps=true",
        "training.steps=1000000000000",
        "seed=-1",
        "seed=4294967296",
        "training.learning_rate=.inf",
    ),
    *(
        "training.learning_rate=.nan",
        "evaluation.num_beams=1000000",
        "evaluation.max_new_tokens=100000000",
        "=",
        "x",
        "a.b",
    ),
    *(
        "training=3",
        "training.x.y=1",
        "task=2001-02-30",
        "task=!!binary x",
        "name=[",
        "backbone=/dev/null",
        "stages.0=1",
    ),
    *("evaluation.languages=[Klingon]", "evaluation.languages=en", "adaptation={method: []}", "adaptation.method=x"),
    *(
        "evaluation.control={name: []}",
        "unlabelled=[{objective: {}}]",
        "unlabelled=[{}]",
        "data_dir=/dev/null",
        "cache_dir=''",
    ),
    *(
        "training.precision=fp64",
        "evaluation.bootstrap=1e9",
        "task=titles.yaml\x00",
        "evaluation.lid=/dev/zero",
        "trackers=[x]",
    ),
    *(
        "baseline=lead",
        "baseline={name: lead, tokens: -1}",
        "baseline={name: translate-outputs, run: nowhere, translator: x}",
    ),
    *(
        "evaluation.metric_options={rouge: {x: 1}}",
        "evaluation.metric_options={x: {}}",
        "penalty={name: l2_sp, weight: .inf}",
    ),
    *(
        "training.plateau={factor: 2}",
        "translate_train={translator: x}",
        "evaluation.sampling={top_p: 0}",
        "report_as=[1]",
    ),
)
OPTIONS: dict[str, tuple[str, ...]] = {
    "predict": ("--num-beams", "--control", "--precision", "--sample", "--language", "--output"),
    "evaluate": (
        *("--task", "--languages", "--split", "--max-examples", "--num-beams", "--data-dir", "--control"),
        *("--precision", "--cleanup", "--interpolate", "--lid", "--metric-option"),
    ),
    "export": ("--to", "--quantization", "--max-examples"),
    "score": (
        *("--metrics", "--format", "--by", "--compare", "--references", "--input", "--language", "--subset", "--lid"),
        *("--metric-option", "--field", "--input-format", "--bootstrap", "--seed"),
    ),
    "query": ("--format",),
    "study": ("--workers", "--only", "--hours"),
    "tokenizer": ("--data-dir", "--seed", "--languages", "--family"),
    "list": ("--backbone",),
    "cka": ("--texts", "--languages", "--max-examples", "--data-dir", "--batch-size", "--epochs", "--seed"),
    "probe": ("--task", "--texts", "--languages", "--split", "--max-examples", "--l2", "--seed", "--data-dir"),
    "lens": ("--task", "--source", "--languages", "--split", "--max-examples", "--steps", "--corpus", "--data-dir"),
    "prompts": ("--pooling", "--linkage"),
    "overlap": ("--source", "--languages", "--split", "--max-examples", "--data-dir"),
    "correlation": ("--metric",),
}
"""Of each command, those that take a value; it is spoiled."""
KEYS = {
    "config.json": (
        *("xlgen_languages", "return_dict", "output_attentions", "output_hidden_states", "torchscript", "use_cache"),
        *(
            "id2label",
            "label2id",
            "num_labels",
            "architectures",
            "dtype",
            "torch_dtype",
            "per_layer_config",
            "auto_map",
        ),
        *("chunk_size_feed_forward", "attn_implementation", "is_decoder", "add_cross_attention", "pruned_heads"),
        *("problem_type", "quantization_config", "tie_word_embeddings", "max_length", "num_beams", "sliding_window"),
        *(
            "tokenizer_class",
            "name_or_path",
            "rope_parameters",
            "rope_scaling",
            "layer_types",
            "model_type",
            "auto_map",
        ),
        *("classifier_dropout", "initializer_factor", "bos_token_id", "decoder_start_token_id", "auto_map"),
    ),
    "generation_config.json": (
        *("max_length", "num_beams", "do_sample", "cache_implementation", "watermarking_config", "compile_config"),
        *("stop_strings", "bad_words_ids", "output_attentions", "return_dict_in_generate", "eos_token_id"),
        *("forced_bos_token_id", "decoder_start_token_id", "length_penalty", "num_return_sequences"),
    ),
    "tokenizer_config.json": (
        *("tokenizer_class", "eos_token", "pad_token", "unk_token", "mask_token", "cls_token", "extra_special_tokens"),
        *("added_tokens_decoder", "additional_special_tokens", "model_max_length", "auto_map", "chat_template"),
        *("fast_tokenizer_files", "padding_side", "add_prefix_space", "vocab_file", "tokenizer_file", "extra_ids"),
        *("init_inputs", "backend", "model_input_names", "legacy", "processor_class", "src_lang", "tgt_lang", "vocab"),
    ),
    "special_tokens_map.json": ("eos_token", "pad_token", "unk_token", "additional_special_tokens"),
    "added_tokens.json": ("<x>", "</s>", "the"),
}
"""Of a model's files, the keys that the library reads, there or not; each gets wrong values."""
_INSERTED = (
    *(b"\xff", b"\x00", b"\xe0\xb8", b"\xed\xa0\x80", b"\n", b"\r", b'"', b"[" * 3_000, b"{" * 200, b"9" * 5_000),
    *(b"\xef\xbb\xbf", b"&a [*a]", b"!!python/name:x ", b"x: 1\nx: 2\n", b"---\n", b"\t", b",", b"\\ud800", b"'"),
    *("\u2028".encode(), "\u202e".encode(), b"\x1b[31m", b"NaN", b"null", b"-", b": ", b"x" * 100_000, b" " * 50_000),
)


def edits(rng: random.Random, content: bytes, path: str) -> dict[str, Any]:
    """What becomes of a file: ``{"data": bytes}``, or another thing in its place, ``{"place": "fifo"}``."""
    if rng.random() < 0.06:
        return {"place": rng.choice(("nothing", "folder", "fifo", "loop", "device"))}
    structured = _structured(rng, content, path)
    if structured is not None and rng.random() < 0.6:
        return {"data": structured}
    return {"data": _bytes(rng, content)}


def _structured(rng: random.Random, content: bytes, path: str) -> bytes | None:
    """The file with one value changed, where it is JSON, JSONL or YAML."""
    try:
        if path.endswith((".yaml", ".yml")):
            changed = _changed(rng, yaml.safe_load(content))
            return _dump(changed, as_yaml=rng.random() < 0.5)
        if path.endswith(".jsonl"):
            lines = content.decode().splitlines()
            place = rng.randrange(len(lines))
            lines[place] = json.dumps(_changed(rng, json.loads(lines[place])))
            return "\n".join(lines).encode("utf-8", "surrogatepass")
        if path.endswith(".json"):
            return json.dumps(_changed(rng, json.loads(content), KEYS.get(PurePath(path).name, ()))).encode()
    except (ValueError, yaml.YAMLError):
        pass
    return None


def _dump(data: Any, as_yaml: bool) -> bytes:
    text = json.dumps(data)
    if as_yaml and "\\ud8" not in text:  # PyYAML writes no lone surrogate, and nothing very deep
        with suppress(RecursionError):
            text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False)
    return text.encode("utf-8", "surrogatepass")


def _places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(data, dict | list):
        for key in list(data) if isinstance(data, dict) else range(min(len(data), 50)):
            yield from _places(data[key], (*path, key))


def _changed(rng: random.Random, data: Any, keys: Sequence[str] = ()) -> Any:
    """``data`` with one value of any depth wrong, gone, renamed, doubled or very deep; or one of ``keys`` wrong."""
    if keys and rng.random() < 0.5:
        return {**data, rng.choice(keys): rng.choice(WRONG)}
    path = rng.choice(list(_places(data)))
    if not path:
        return rng.choice(WRONG)
    whole = json.loads(json.dumps(data))
    here = whole
    for key in path[:-1]:
        here = here[key]
    last = path[-1]
    kind = rng.choice(("wrong", "wrong", "wrong", "gone", "renamed", "listed", "deep", "extra"))
    if kind == "wrong":
        here[last] = rng.choice(WRONG)
    elif kind == "gone":
        del here[last]
    elif kind == "renamed" and isinstance(here, dict):
        here[f"{last}s"] = here.pop(last)
    elif kind == "listed":
        here[last] = [here[last]] * rng.choice((1, 3))
    elif kind == "deep":
        for _ in range(rng.choice((20, 70, 400))):
            here[last] = {"x": here[last]} if rng.random() < 0.5 else [here[last]]
    elif isinstance(here, dict):
        here[rng.choice(("x", "", "format", "\x00"))] = rng.choice(WRONG)
    return whole


def _bytes(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content) + 1)
    insert = rng.choice(_INSERTED)
    kind = rng.choice(("insert", "insert", "cut", "cut", "flip", "twice", "empty", "utf16", "front", "back", "noise"))
    return {
        "insert": content[:place] + insert + content[place:],
        "cut": content[:place],
        "flip": content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :],
        "twice": content + content,
        "empty": rng.choice((b"", b"\n", b" ", b"null", b"[]", b"{}", b"3", b'"x"')),
        "utf16": b"\xff\xfe" + content[:2_000].decode("utf-8", "replace").encode("utf-16-le"),
        "front": insert + content,
        "back": content + insert,
        "noise": rng.randbytes(200),
    }[kind]
