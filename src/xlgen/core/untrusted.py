"""Read untrusted input: files of bounded size, JSON of bounded depth, and names that become paths.

Everything from a checkpoint, a run folder, a data file or an object store is read here, so that a malformed file ends
in an :class:`~xlgen.core.registry.InputError` with the name of the file.
"""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

from xlgen.core.json_types import JsonObject, JsonValue
from xlgen.core.registry import InputError

DEEPEST = 64
"""Maximum nesting depth of lists and objects in a file."""
LARGEST_TEXT = 64 * 2**20
"""Maximum size in bytes of a file that is read as a whole, such as a JSON file of a checkpoint."""
_LONGEST_NAME = 200


class NotJsonError(InputError):
    """A text is not valid JSON, or cannot be used here."""


def check_regular(path: Path) -> None:
    """Raise InputError if ``path`` is a pipe, a device or a folder, since reading it might never end.

    Raises OSError if it does not exist.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise InputError(f"{path} is {kind}, and a regular file is needed: save it as a file first")


_STREAMS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")


def check_readable(path: Path) -> None:
    """As :func:`check_regular`, but accept what a shell has opened: ``<(command)`` and standard input."""
    if not str(path).startswith(_STREAMS):
        check_regular(path)


def check_utf8(path: Path) -> None:
    """Raise InputError for a path that is not UTF-8, which cannot be written to tables or files."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        shown = str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise InputError(f"{shown}: the name is not UTF-8; rename it") from None


def read_text(path: Path, largest: int = LARGEST_TEXT) -> str:
    """The UTF-8 text of a regular file of at most ``largest`` bytes.

    Raises:
        InputError: for anything else, with the file's name.
    """
    try:
        check_regular(path)
        if (size := path.stat().st_size) > largest:
            raise InputError(f"{path} has {size:,} bytes, and at most {largest:,} are read")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text, from byte {error.start + 1} on") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read {str(path)!r}: {error}") from None


def parse_json(text: str, where: str) -> JsonValue:
    """The JSON value in ``text``. Raises NotJsonError that names ``where``.

    Lists and objects may be :data:`DEEPEST` levels deep, so that no function that walks through them fails.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise NotJsonError(f"{where} is not valid JSON: {error.msg} at {line}column {error.colno}") from None
    except RecursionError:
        raise NotJsonError(f"{where} has lists or objects over {DEEPEST} levels deep") from None
    except ValueError as error:  # an integer of thousands of digits
        raise NotJsonError(f"{where} cannot be read: {error}") from None
    if text.count("[") + text.count("{") > DEEPEST and _depth(found) > DEEPEST:
        raise NotJsonError(f"{where} has lists or objects over {DEEPEST} levels deep")
    return found


def read_json(path: Path, largest: int = LARGEST_TEXT) -> JsonValue:
    """The JSON value in a file. Raises InputError that names it."""
    return parse_json(read_text(path, largest), str(path))


def read_object(path: Path, largest: int = LARGEST_TEXT) -> JsonObject:
    """The JSON object in a file. Raises InputError if the file contains anything else."""
    found = read_json(path, largest)
    if not isinstance(found, dict):
        raise InputError(f"{path} must hold a JSON object, not {type(found).__name__}")
    return found


def _depth(value: object) -> int:
    """The nesting depth of lists and objects."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, list | dict)]:
        depth += 1
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each)]
    return depth


def without_surrogates(value: JsonValue) -> JsonValue:
    """``value`` with U+FFFD for every lone surrogate, in keys too. JSON can contain these, but UTF-8 files cannot."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(each) for key, each in value.items()}
    return [without_surrogates(each) for each in value] if isinstance(value, list) else value


def check_name(name: str, what: str) -> str:
    """``name``, where it can be the name of a file or a folder; ``what`` it names, for the error.

    Raises:
        InputError: for a name that is empty or too long, that begins with a dot (``..``) or ends in a space, or holds
            a path separator or a control character.
    """
    wrong = (
        not name.strip()
        or len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME
        or name.startswith(".")
        or name != name.strip()
        or any(sign in "/\\" or not (sign.isprintable() or sign == " ") for sign in name)
    )
    if wrong:
        shown = name if len(name) <= 60 else f"{name[:60]}…"
        raise InputError(
            f"{what} {shown!r} cannot be the name of a file or folder: it must be at most {_LONGEST_NAME} bytes, not "
            "begin with a dot, and hold no slash and no control character"
        )
    return name


def file_name(*parts: str) -> str:
    """A name for a file or folder, made of arbitrary ``parts``. Characters that names cannot have become ``-``."""
    found = "-".join(re.sub(r"[^\w.,+=%@~-]+", "-", part).strip("-.") or "-" for part in parts)
    return found.encode("utf-8", "replace")[:_LONGEST_NAME].decode("utf-8", "ignore")


def safe_join(folder: Path, name: str, what: str = "the name") -> Path:
    """The path of ``name``, with ``/`` between its parts, inside ``folder``.

    The only way in which a name from data, a checkpoint, a run folder or an object store becomes a path.

    Raises:
        InputError: where the path would be outside of ``folder``: for an absolute name, one with ``..``, an empty
            part or a NUL, and one that a symbolic link inside ``folder`` leads out of it.
    """
    parts = name.split("/")
    wrong = any(part in ("", ".", "..") or "\0" in part or "\\" in part or len(part) > 255 for part in parts)
    if not wrong:
        joined = folder.joinpath(*parts)
        try:
            if joined.resolve().is_relative_to(folder.resolve()):
                return joined
        except (OSError, ValueError, RuntimeError):  # a name that is too long, or links in a circle
            pass
    raise InputError(f"{what} {name[:200]!r} leads out of {folder}; nothing outside of it is read or written")
