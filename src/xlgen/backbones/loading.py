"""Loading of backbones by name: an embedded one, a local folder, or an id on the Hub."""

from __future__ import annotations

import math
from pathlib import Path
from typing import cast

import torch

from xlgen.backbones.base import Backbone, BackboneError, families
from xlgen.backbones.checking import (
    SENTENCEPIECE,
    check_embeddings,
    check_names,
    check_tokenizer,
    check_types,
    check_weights,
    read_tensors,
)
from xlgen.backbones.configs import check_special_tokens, check_tokenizer_files, load_config
from xlgen.backbones.finding import embedded, find_file, read_config
from xlgen.backbones.headed import put_under_head
from xlgen.backbones.heads import HEAD_FILE, HeadSpec, head_of
from xlgen.backbones.library_classes import LoadingInfo, ModelClass, auto_class
from xlgen.backbones.source_files import WEIGHTS, check_no_adapters, source_files, weight_files
from xlgen.backbones.trimming.record import read_record
from xlgen.backbones.vocabulary_files import check_vocabulary
from xlgen.core.registry import InputError, nearest
from xlgen.core.untrusted import read_object
from xlgen.kernels.model_types import TransformersConfig, TransformersModel, TransformersTokenizer

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""Precisions of weights."""


def resolve(name: str) -> str:
    """The folder of an embedded or local backbone, or ``name`` itself if it is an id on the Hub.

    Raises BackboneError if it is none of these.
    """
    if name in embedded():
        return str(embedded()[name])
    if Path(name).is_dir():
        return name
    if name.count("/") == 1 and not name.startswith((".", "/")):
        return name
    raise BackboneError(
        f"no backbone {name!r}: no such folder, no id on the Hub (OWNER/NAME), and among the embedded ones "
        f"{nearest(name, embedded())}"
    )


def family_of(name: str) -> type[Backbone]:
    """The family of a checkpoint, from its configuration only. Raises BackboneError if no family fits."""
    config = read_config(name, "config.json")
    if config is None:
        raise BackboneError(f"{name}: no config.json; that is not a model checkpoint")
    tokenizer = read_config(name, "tokenizer_config.json") or {}
    model_type = config.get("model_type")
    tokenizer_class = tokenizer.get("tokenizer_class") or config.get("tokenizer_class")
    for family in map(families.get, families.names()):
        if model_type in family.model_types and (
            not family.tokenizer_classes or tokenizer_class in (None, *family.tokenizer_classes)
        ):
            return family
    known = sorted({t for n in families.names() for t in families.get(n).model_types})
    raise BackboneError(
        f"{name} is a {model_type!r} checkpoint (tokenizer {tokenizer_class}); "
        f"xlgen has families for {', '.join(known)}"
    )


def load(
    name: str,
    *,
    languages: tuple[str, ...] = (),
    allow_unknown: bool = False,
    precision: str = "fp32",
    init: str = "pretrained",
    seed: int = 0,
    weights: str = "fp32",
    head: HeadSpec | None = None,
    encoder_only: bool = False,
    called: str | None = None,
) -> Backbone:
    """Load a backbone on the CPU. Weights are read from safetensors only, after the checks of everything else.

    Args:
        name: An embedded backbone, a local folder, or an id on the Hub.
        languages: Languages that the backbone must know.
        allow_unknown: Whether to allow other languages, if the family has no language codes or for a head.
        precision: The precision of training, which must suit the family; weights stay in fp32.
        init: ``pretrained`` or ``random`` weights.
        seed: The seed of random weights and of a new head.
        weights: The precision of the weights; ``bf16`` takes half the memory and is for decoding only.
        head: The head to put on the encoder. If the folder has the same head, or if None and it has one, that head is
            loaded; else the head is new.
        encoder_only: Whether an encoder without a decoder and without a head is accepted, for analyses of its states.
        called: The name of the loaded backbone, if it is not ``name``.

    Raises:
        BackboneError: if the backbone cannot be loaded, or does not support what is asked.
    """
    quiet()
    folder, name = resolve(name), called or name
    family = family_of(folder)
    config, tokenizer = load_config(folder), family.repair_tokenizer(load_tokenizer(folder))
    check_tokenizer(folder, tokenizer, config)
    unloaded = family(_WithoutWeights(config), tokenizer, name)
    check_special_tokens(unloaded)
    unloaded.check_precision(precision)
    saved = saved_head(folder)
    # With a head, only inputs have a code, and another language's code can replace it; generated text needs its own.
    if not (allow_unknown and (saved or head)):
        unloaded.check_languages(languages, allow_unknown)
    if saved is not None and init == "pretrained":
        trained = _with_saved_head(folder, config, family, tokenizer, name, saved)
        if head in (None, saved):
            return _with_files(trained, folder)
        model = trained.model
    elif head is None and not (family.decodes or encoder_only):
        raise BackboneError(
            f"{name} is an encoder without a decoder: it needs a task with labels (`kind`), not with text"
        )
    elif init == "random":
        model = _random_model(config, family, seed).to(DTYPES[weights])
    else:
        model = _load_model(folder, config, DTYPES[weights], family.decodes)
        family.repair(model, fresh=False)
    if head is None:
        return _with_files(family(model, tokenizer, name), folder, weights=init != "random")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = put_under_head(family, model, tokenizer, name, head)
    return _with_files(found, folder, weights=init != "random")


def _with_files(backbone: Backbone, folder: str, weights: bool = True) -> Backbone:
    """``backbone`` with digests of the files that it was loaded from, and the record of its trimmed vocabulary."""
    backbone.files = source_files(folder, backbone.tokenizer, weights)
    backbone.trim = read_record(folder)
    return backbone


def saved_head(folder: str) -> HeadSpec | None:
    """The head of a checkpoint in ``folder`` that xlgen saved, or None. Raises BackboneError for a damaged file."""
    path = Path(folder) / HEAD_FILE
    if not path.is_file():
        return None
    try:
        return head_of(read_object(path))
    except InputError as error:
        raise BackboneError(f"{path} is damaged: {error}") from None


def _with_saved_head(
    folder: str,
    config: TransformersConfig,
    family: type[Backbone],
    tokenizer: TransformersTokenizer,
    name: str,
    head: HeadSpec,
) -> Backbone:
    """An encoder with its trained head. Raises BackboneError."""
    from safetensors import SafetensorError

    found = put_under_head(family, _random_model(config, family, seed=0), tokenizer, name, head)
    try:
        check_types(Path(folder) / WEIGHTS)
        found.model.load_state_dict(read_tensors(Path(folder) / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise BackboneError(f"the weights in {folder} are damaged or do not fit its config: {reason}") from None
    check_weights(dict(found.model.named_parameters()), folder)
    check_embeddings(found.model.encoder, folder)
    return found


def outline(name: str) -> Backbone:
    """A backbone whose parameters have shapes but no storage, to count them. Raises BackboneError."""
    quiet()
    folder = resolve(name)
    family = family_of(folder)
    config, tokenizer = load_config(folder), family.repair_tokenizer(load_tokenizer(folder))
    with torch.device("meta"):
        model = _random_model(config, family, seed=0)
    return family(model, tokenizer, name)


class _WithoutWeights(torch.nn.Module):
    """A model with a config only, for checks before weights are loaded."""

    def __init__(self, config: TransformersConfig) -> None:
        super().__init__()
        self.config = config


def quiet() -> None:
    """Turn off the library's progress bars, and its warnings about tied weights, which the families handle."""
    from transformers.utils import logging as library

    library.set_verbosity_error()
    library.disable_progress_bar()


def load_tokenizer(folder: str) -> TransformersTokenizer:
    """The library's tokenizer of a folder, or of an id on the Hub. Raises BackboneError if it cannot be loaded."""
    from transformers import AutoTokenizer

    check_tokenizer_files(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # a broken tokenizer file raises whatever its parser raises
        if "tiktoken" in str(error) and any(find_file(folder, name) for name in SENTENCEPIECE):
            raise BackboneError(
                f"the SentencePiece file of {folder} cannot be read: protobuf is missing, or too old for "
                "sentencepiece. pip install --upgrade protobuf"
            ) from None
        raise BackboneError(f"the tokenizer of {folder} cannot be loaded: {error}") from None
    check_vocabulary(folder, tokenizer)
    return tokenizer


def _random_model(config: TransformersConfig, family: type[Backbone], seed: int) -> TransformersModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        loader, options = auto_class(family.decodes)
        try:
            model = loader.from_config(config, dtype=torch.float32, **options)
        except Exception as error:
            raise _wrong_config(config.name_or_path, error) from None
        family.repair(model, fresh=True)
    return model


def _wrong_config(folder: str | None, error: Exception) -> BackboneError:
    return BackboneError(f"no model can be built from the config of {folder}: {type(error).__name__}: {error}")


def _load_model(folder: str, config: TransformersConfig, dtype: torch.dtype, decodes: bool = True) -> TransformersModel:
    from safetensors import SafetensorError

    check_no_adapters(folder)
    try:
        files = weight_files(folder)
        converted = files and dtype != torch.float32 and decodes
        model, info = (
            _read_converted(folder, config, files, dtype) if converted else _read(folder, config, dtype, decodes)
        )
    except SafetensorError as error:
        raise BackboneError(f"the weights in {folder} are damaged or truncated ({error}); fetch them again") from None
    except (OSError, ValueError, RuntimeError) as error:
        if list(Path(folder).glob("pytorch_model*.bin")) and not list(Path(folder).glob("*.safetensors")):
            raise BackboneError(
                f"{folder} holds pickled weights only (pytorch_model.bin), and reading those can run code. Convert "
                "a copy that you trust to model.safetensors (AutoModelForSeq2SeqLM.from_pretrained, save_pretrained)"
            ) from None
        raise BackboneError(f"the weights of {folder} cannot be loaded: {str(error).splitlines()[0]}") from None
    except Exception as error:  # the library does not check the config's values
        raise _wrong_config(folder, error) from None
    if info["missing_keys"] or info["mismatched_keys"]:
        names = sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]]))
        raise BackboneError(
            f"the weights in {folder} do not fit its config.json: {len(names)} tensors are missing or of another "
            f"shape, first {names[0]}"
        )
    for file in files:
        check_types(file)
    check_names(folder, info.get("unexpected_keys") or ())
    check_weights(dict(model.named_parameters()), folder)
    check_embeddings(model, folder)
    check_no_adapters(folder)  # again, since a model of the Hub was not downloaded before
    return model


def _read(
    folder: str, config: TransformersConfig, dtype: torch.dtype, decodes: bool
) -> tuple[TransformersModel, LoadingInfo]:
    """A model, and the library's report of its loading."""
    loader, options = auto_class(decodes)
    found: tuple[TransformersModel, LoadingInfo] = loader.from_pretrained(
        folder,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        output_loading_info=True,
        trust_remote_code=False,
        **options,
    )
    return found


def _read_converted(
    folder: str, config: TransformersConfig, files: list[Path], dtype: torch.dtype
) -> tuple[TransformersModel, LoadingInfo]:
    """:func:`_read` without a copy in the precision of the files: one tensor at a time, from the largest."""
    from safetensors import safe_open
    from transformers import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, GenerationConfig

    places: list[tuple[int, str, Path]] = []
    for path in files:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            places += [(math.prod(file.get_slice(name).get_shape()), name, path) for name in names]
    weights = {}
    for _, name, path in sorted(places, reverse=True):
        with safe_open(path, framework="pt") as file:  # tensors stay in memory until the file is closed
            tensor = file.get_tensor(name)
            weights[name] = tensor.to(dtype) if tensor.is_floating_point() else tensor
    family = cast(ModelClass, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING[type(config)])  # declared as a pair
    model, info = family.from_pretrained(None, config=config, state_dict=weights, dtype=dtype, output_loading_info=True)
    if read_config(folder, "generation_config.json") is not None:
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model, info
