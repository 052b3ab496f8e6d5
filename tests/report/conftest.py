"""The synthetic study, and an identifier that knows its sentences."""

import pytest

from synthetic import know_the_sentences, study

__all__ = ["study"]


@pytest.fixture(autouse=True)
def known_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    know_the_sentences(monkeypatch)
