"""The files of an embedded backbone, of a local folder or of a checkpoint on the Hub."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from xlgen.backbones.base import BackboneError
from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.core.untrusted import read_object, safe_join

_EMBEDDED = Path(str(resources.files("xlgen"))) / "pocket" / "backbones"


def embedded() -> dict[str, Path]:
    """The folders of the backbones in the package, by name."""
    return {path.name: path for path in sorted(_EMBEDDED.glob("pocket-*")) if (path / "config.json").exists()}


def find_file(name: str, file: str) -> Path | None:
    """A file of a folder or of a checkpoint on the Hub, or None if it has no such file. Raises BackboneError."""
    if Path(name).is_dir():
        return path if (path := safe_join(Path(name), file, "the file")).is_file() else None
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    instead = f"give a folder with the checkpoint, or an embedded backbone: {', '.join(embedded())}"
    try:
        cached = try_to_load_from_cache(name, file)
        return Path(cached if isinstance(cached, str) else hf_hub_download(name, file))
    except LocalEntryNotFoundError:  # a subclass of EntryNotFoundError
        raise BackboneError(
            f"the Hub cannot be reached, and {name} is not in this machine's cache; {instead}"
        ) from None
    except EntryNotFoundError:
        return None
    except GatedRepoError:
        raise BackboneError(f"{name} asks for your consent: accept its terms on the Hub, and `hf auth login`") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise BackboneError(f"the Hub has no {name}, or it is private; {instead}") from None
    except OSError as error:  # such as HTTP errors
        raise BackboneError(f"the Hub did not give {name}: {str(error).splitlines()[0]}; {instead}") from None


def read_config(name: str, file: str) -> JsonObject | None:
    """The JSON object in a file of a checkpoint, or None if there is no such file. Raises BackboneError."""
    path = find_file(name, file)
    if path is None:
        return None
    try:
        return read_object(path)
    except InputError as error:
        raise BackboneError(f"{path} cannot be read: {error}") from None
