"""Splitting text into subword tokens with SentencePiece models or Hugging Face tokenizers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from xlgen.core.extras import require
from xlgen.core.registry import InputError
from xlgen.metrics.words import Splitter

# Vocabulary files of a folder or a Hub repository, best first.
_FILES = ("tokenizer.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")


@cache
def subword_splitter(tokenizer: str) -> Splitter:
    """The splitter into the tokens of a subword tokenizer; a vocabulary is read once per process.

    Tokens are compared as text, so a character outside the vocabulary equals only itself. No special tokens are added.
    Normalization is the tokenizer's own: case matters unless the tokenizer lower-cases.

    Args:
        tokenizer: A SentencePiece ``.model`` file, a ``tokenizer.json``, a folder that contains one of these (a Hugging
            Face tokenizer or checkpoint), or a name on the Hugging Face Hub. No remote code is run.

    Raises:
        InputError: if there is no such tokenizer, or it cannot be downloaded.
    """
    path = Path(tokenizer).expanduser()
    if path.is_dir():
        file = next((path / name for name in _FILES if (path / name).is_file()), None)
        if file is None:
            raise InputError(f"no tokenizer in {path}: it has none of {', '.join(_FILES)}")
    else:
        file = path if path.is_file() else _from_hub(tokenizer)
    name = re.sub(r"[\s|\\]+", "_", Path(tokenizer).name)
    split = _hugging_face(file) if file.suffix == ".json" else _sentencepiece(file)
    return Splitter(f"{name}@{_digest(file)}", split, by_sentence=False)


def _hugging_face(file: Path) -> Callable[[str], list[str]]:
    require("train", "a tokenizer.json", "tokenizers")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exceptions
        raise InputError(f"{file} is not a tokenizer of Hugging Face's tokenizers library: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: tokenizer.encode(_encodable(text), add_special_tokens=False).tokens


def _sentencepiece(file: Path) -> Callable[[str], list[str]]:
    require("train", "a SentencePiece model", "sentencepiece")
    from sentencepiece import SentencePieceProcessor

    try:
        processor = SentencePieceProcessor(model_file=str(file))
    except (RuntimeError, OSError) as error:
        raise InputError(f"{file} is not a SentencePiece model: {error}") from error
    return lambda text: processor.encode(_encodable(text), out_type=str)


def _from_hub(name: str) -> Path:
    require("train", f"{name!r}, which is no file and is looked up on the Hugging Face Hub,", "huggingface_hub")
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        for file in _FILES:
            cached = try_to_load_from_cache(name, file)
            if isinstance(cached, str):
                return Path(cached)
        for file in _FILES:
            try:
                return Path(hf_hub_download(name, file))
            except LocalEntryNotFoundError:  # a subclass of EntryNotFoundError: the Hub cannot be reached
                raise
            except EntryNotFoundError:
                continue
    except (HFValidationError, HfHubHTTPError, OSError) as error:
        raise InputError(
            f"no tokenizer {name!r}: there is no such file or folder, and it could not be downloaded from the Hugging"
            f" Face Hub ({type(error).__name__}). Pass the path of a SentencePiece .model file, of a tokenizer.json or"
            " of a folder with either"
        ) from error
    raise InputError(f"no tokenizer in {name!r} on the Hugging Face Hub: it has none of {', '.join(_FILES)}")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "md5").hexdigest()[:8]


def _encodable(text: str) -> str:
    # Both libraries read UTF-8, which has no lone surrogates.
    return text.encode("utf-8", "replace").decode("utf-8")
