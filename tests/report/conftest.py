"""The synthetic study, and an identifier that knows its sentences."""

import pytest

from synthetic import identify, study
from xlgen.report import samples

__all__ = ["study"]


@pytest.fixture(autouse=True)
def known_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "identifier", lambda: identify)
    monkeypatch.setattr("xlgen.report.page.identifier", lambda: identify)
