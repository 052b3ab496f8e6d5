"""What pytest needs before it collects. All else is in shared_fixtures.py.

The process that only hands tests to workers does without shared_fixtures.py, whose imports take as long as PyTorch's.
"""

from __future__ import annotations

import pytest

import tiers


def pytest_configure(config: pytest.Config) -> None:
    works = hasattr(config, "workerinput") or config.getoption("dist", "no") == "no"
    if works and not config.pluginmanager.has_plugin("shared_fixtures"):
        config.pluginmanager.import_plugin("shared_fixtures")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before `-m` takes its choice."""
    tiers.mark(items)
