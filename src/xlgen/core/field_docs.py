"""The documentation of a config's fields: the string below each field, in the class that declares it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from functools import cache
from itertools import pairwise


@cache
def field_docs(model: type) -> dict[str, str]:
    """The docstring below each field of a pydantic model or a dataclass; fields without one are left out."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not kind.__module__.startswith(("pydantic", "typing", "abc", "builtins")):
            found |= _own_docs(kind)
    return found


def _own_docs(kind: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):  # made at run time
        return {}
    found: dict[str, str] = {}
    (body,) = (node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            value = text.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[field.target.id] = inspect.cleandoc(value.value)
    return found


def markdown(docstring: str) -> str:
    """A docstring as Markdown: roles such as ``:class:`` become code."""
    return re.sub(r":\w+:`~?\.?([^`]+)`", r"`\1`", inspect.cleandoc(docstring)).strip()


def plain_text(docstring: str) -> str:
    """A docstring on one line, for a terminal."""
    return " ".join(markdown(docstring).replace("``", "`").split())
