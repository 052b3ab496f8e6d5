"""Data sets of the Hugging Face hub (or a local folder in the same layout), through ``datasets``; no remote code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xlgen.config import Config
from xlgen.data.examples import Record
from xlgen.data.readers import DataError, Reader, readers


class HubOptions(Config):
    """Which data set."""

    dataset: str
    """An id of the hub, such as ``google/xquad``, or a folder of parquet/JSONL files."""
    config: str | None = None
    """The configuration, with ``{language}`` in it: ``xquad.{language}``."""
    revision: str | None = None
    """Pin it: ``refs/convert/parquet`` is where the hub keeps code-free copies."""
    data_files: str | Mapping[str, str] | None = None
    codes: Mapping[str, str] = {}
    """The data set's name for a language, where it differs: ``{en: english}``."""
    splits: Mapping[str, str] = {}
    """The data set's name for a split, where it differs: ``{test: validation}``."""
    streaming: bool = False


@readers.register("hub")
class HubReader(Reader):
    """Rows of a hub data set. SQuAD's nested answers come as a tuple of texts."""

    Options = HubOptions

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Rows of one language and split. Raises DataError where the data set cannot be loaded."""
        from datasets import load_dataset

        options = self.options
        code = options.codes.get(language, language)
        config = options.config.replace("{language}", code) if options.config else None
        files: Any = options.data_files
        if isinstance(files, str):
            files = files.replace("{language}", code)
        elif files is not None:
            files = {key: value.replace("{language}", code) for key, value in files.items()}
        local = self.data_dir / options.dataset
        name = str(local) if local.is_dir() else options.dataset
        try:
            rows = load_dataset(
                name,
                config,
                split=options.splits.get(split, split),
                data_files=files,
                revision=options.revision,
                streaming=options.streaming,
            )
            for index, row in enumerate(rows):
                yield Record(_flatten(row), f"{name} {config or ''} {split}, row {index}")
        except Exception as error:  # `datasets` raises whatever its backends raise; all of them mean the same here
            raise DataError(f"cannot load data set {name!r} (config {config}, split {split}): {error}") from None


def _flatten(row: Mapping[str, Any]) -> dict[str, Any]:
    """SQuAD on the hub nests answers as ``{"text": [...], "answer_start": [...]}``; keep the texts."""
    fields = dict(row)
    answers = fields.get("answers")
    if isinstance(answers, Mapping) and "text" in answers:
        fields["answers"] = tuple(dict.fromkeys(answers["text"]))
    return fields
