"""What ``xlgen list`` prints: every registered thing with the first line of its documentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from xlgen.registry import Registry
from xlgen.shipped import shipped, shipped_recipes


def _plugins(registry: Registry[Any]) -> Iterator[tuple[str, str]]:
    for name in registry.names():
        yield name, (registry.get(name).__doc__ or "").strip().splitlines()[0]


def _purpose(path: Path) -> str:
    """The first sentence of the comment that opens a YAML file says what it is for."""
    lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    return first_sentence(" ".join(line.lstrip("# ") for line in lines))


_ABBREVIATIONS = ("al.", "e.g.", "i.e.", "cf.", "vs.", "etc.", "approx.", "Fig.", "App.", "No.", "pp.")


def first_sentence(text: str) -> str:
    """The text up to the first full stop that ends a sentence: not one in parentheses, nor one of "et al."."""
    for found in re.finditer(r"[.?!](?=\s|$)", text):
        sentence = text[: found.end()]
        inside = sentence.count("(") > sentence.count(")") or sentence.count("[") > sentence.count("]")
        if not inside and not sentence.endswith(_ABBREVIATIONS):
            return sentence
    return text


def backbones() -> Iterator[tuple[str, str]]:
    """Embedded backbones, then the families that load from a folder or the hub."""
    from xlgen.backbones.base import families
    from xlgen.backbones.loading import embedded

    for name, path in embedded().items():
        ready = (path / "model.safetensors").exists()
        yield name, f"embedded, {path}" if ready else f"tokenizer and config only; `xlgen train {name}` pretrains it"
    for name, description in _plugins(families):
        yield f"family {name}", description


def methods() -> Iterator[tuple[str, str]]:
    """Adaptation methods."""
    from xlgen.adaptation.base import methods as registry

    return _plugins(registry)


def methods_on(backbone: str) -> Iterator[tuple[str, int | None, float | None, str]]:
    """(name, trained parameters, their percentage of the pretrained ones, description) of each method on ``backbone``.

    With each method's default options. No weights are read. Without a number, the description says why it cannot be.
    Raises BackboneError.
    """
    from xlgen.adaptation.base import build_method, trainable_parameters
    from xlgen.backbones.base import BackboneError
    from xlgen.backbones.loading import outline

    for name, description in methods():
        model = outline(backbone)
        whole = sum(p.numel() for p in model.model.parameters())
        try:
            build_method({"method": name}).prepare(model)
        except BackboneError as error:
            yield name, None, None, f"not on {backbone}: {error}"
            continue
        count = trainable_parameters(model.model)
        yield name, count, 100 * count / whole, description


def readers() -> Iterator[tuple[str, str]]:
    """Readers of data, with their options."""
    from xlgen.data.readers import readers as registry

    for name, description in _plugins(registry):
        yield name, f"{description} Options: {', '.join(registry.get(name).Options.model_fields)}"


def metrics() -> Iterator[tuple[str, str]]:
    """Metrics, with the figures and the options of each."""
    from xlgen.metrics.base import plugins
    from xlgen.metrics.options import options_of

    for name, description in _plugins(plugins):
        figures = ", ".join(figure.name for figure in plugins.get(name).figures)
        options = f" Options: {', '.join(options_of(name))}" if options_of(name) else ""
        yield name, f"{description} Figures: {figures}.{options}"


def objectives() -> Iterator[tuple[str, str]]:
    """Self-supervised objectives."""
    from xlgen.data.objectives import objectives as registry

    return _plugins(registry)


def penalties() -> Iterator[tuple[str, str]]:
    """Penalties against forgetting."""
    from xlgen.training.penalties import penalties as registry

    return _plugins(registry)


def baselines() -> Iterator[tuple[str, str]]:
    """Baselines that train nothing."""
    from xlgen.training.baselines import baselines as registry

    return _plugins(registry)


def controls() -> Iterator[tuple[str, str]]:
    """Ways of controlling what is written while decoding, its language or its labels."""
    from xlgen.generation.control import controls as registry

    return _plugins(registry)


def languages() -> Iterator[tuple[str, str]]:
    """The table of languages."""
    from xlgen.languages import all_languages

    for language in all_languages():
        codes = ", ".join(filter(None, (language.mbart, language.flores)))
        yield language.code, f"{language.name}, {language.script}, {language.direction}; {codes or 'no codes'}"


def tasks() -> Iterable[tuple[str, str]]:
    """Shipped tasks."""
    return [(name, _purpose(path)) for name, path in shipped("tasks").items()]


def recipes() -> Iterable[tuple[str, str]]:
    """Shipped recipes."""
    found = shipped_recipes()
    return [(name, _purpose(path)) for name, path in found.items()]


def formats() -> Iterator[tuple[str, str]]:
    """Formats of export."""
    from xlgen.export import formats as registry

    return _plugins(registry)


def policies() -> Iterator[tuple[str, str]]:
    """Policies of a search for the learning rate."""
    from xlgen.selection.policies import policies as registry

    return _plugins(registry)


def criteria() -> Iterator[tuple[str, str]]:
    """Criteria to choose learning rates and checkpoints by."""
    from xlgen.selection.criteria import criteria as registry

    return _plugins(registry)


def published() -> Iterator[tuple[str, str]]:
    """The published numbers, one line a table; C, V, L and J are the papers."""
    from xlgen.published import load

    for paper in load():
        for table in paper.tables:
            yield f"{paper.key}, {table.where}", f"{table.title}; numbers: {len(table.cells)} ({paper.about.citation})"


LISTS: dict[str, Callable[[], Iterable[tuple[str, str]]]] = {
    "backbones": backbones,
    "methods": methods,
    "tasks": tasks,
    "readers": readers,
    "metrics": metrics,
    "objectives": objectives,
    "baselines": baselines,
    "controls": controls,
    "penalties": penalties,
    "languages": languages,
    "recipes": recipes,
    "formats": formats,
    "policies": policies,
    "criteria": criteria,
    "published": published,
}
