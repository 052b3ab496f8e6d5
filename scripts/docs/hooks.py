"""Hooks of MkDocs: they add the generated pages of the reference to the site."""

from __future__ import annotations

from typing import Any

from mkdocs.structure.files import File, Files

from reference_pages import pages


def on_files(files: Files, config: Any) -> Files:
    """Add each generated page, as if it were a file of ``docs/``."""
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files
