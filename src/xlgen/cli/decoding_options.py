"""Options of decoding that several commands share."""

from __future__ import annotations

from typing import Any

from xlgen.cli.console import err
from xlgen.core.registry import InputError

CONTROL = "Language control: a name of `xlgen list controls`, or a mapping, {name: rerank, candidates: 4}."
PRECISION = "fp32 or bf16. bf16 is faster on machines that support it (`xlgen doctor`), and changes a few outputs."


def parse_control(text: str | None) -> Any:
    """Parse the value of --control, which is YAML."""
    from xlgen.core.yaml_config import parse_yaml

    found = parse_yaml(text, "--control") if text else None
    if found is not None and not isinstance(found, (str, dict)):
        raise InputError(f"--control must be a name, or a mapping with a name, not {text!r}")
    return found


def warn_of_slow(precision: str) -> None:
    """Warn if this machine emulates ``precision``."""
    from xlgen.core.machine import slowdown

    if precision == "bf16" and (times := slowdown(precision)):
        err.print(f"--precision bf16: this machine is {times:.0f} times slower in it than in fp32")
