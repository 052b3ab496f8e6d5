"""Read untrusted SVG files for a page. Only elements and attributes that draw are accepted."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from xlgen.core.registry import InputError
from xlgen.core.untrusted import read_text

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_ELEMENTS = (
    *("svg", "g", "defs", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text"),
    *("tspan", "title", "desc", "use", "clipPath", "linearGradient", "radialGradient", "stop", "pattern"),
    *("style",),
)
_DROPPED = ("metadata",)
_ATTRIBUTES = (
    *("id", "class", "d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "ry", "width", "height"),
    *("points", "viewBox", "preserveAspectRatio", "transform", "version", "fill", "fill-opacity"),
    *("fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-dashoffset"),
    *("stroke-linecap", "opacity", "stroke-linejoin", "stroke-miterlimit", "clip-path", "clip-rule"),
    *("font", "font-family", "font-size", "font-style", "font-weight", "font-stretch", "font-variant"),
    *("text-anchor", "dominant-baseline", "offset", "stop-color", "stop-opacity", "style", "dx", "dy"),
    *("gradientUnits", "gradientTransform", "patternUnits", "patternTransform", "clipPathUnits", "type"),
    *("space", "shape-rendering", "text-rendering", "vector-effect", "visibility", "display", "color"),
)
# The style rules that matplotlib writes into every file, and the only ones accepted.
_RULES = re.compile(r"\s*\*\s*\{\s*stroke-linejoin:\s*round;\s*stroke-linecap:\s*butt;?\s*\}\s*")
_INSIDE = re.compile(r"#[\w.:-]+", re.ASCII)
_ADDRESS = re.compile(r"url\(\s*([^)]*)\)", re.IGNORECASE)
_ACTIVE = re.compile(r"expression|javascript|@import|behavior|-moz-binding|\\", re.IGNORECASE)
_LARGEST = 32 * 2**20

ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)


def read_drawing(path: Path) -> str:
    """The ``svg`` element of a file. Raises InputError if it has anything that does more than draw."""
    text = read_text(path, _LARGEST)
    start = text.find("<svg")
    if start < 0:
        raise InputError(f"{path} has no svg element")
    body = text[start:]
    if "<!ENTITY" in text or "<!DOCTYPE" in body:
        raise InputError(f"{path} declares entities, which are not allowed in drawings")
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a valid SVG file: {error}") from None
    _check(root, path)
    return ElementTree.tostring(root, encoding="unicode")


def _check(root: ElementTree.Element, path: Path) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if _name(child.tag) in _DROPPED:
                parent.remove(child)
    for element in root.iter():
        name = _name(element.tag)
        if name not in _ELEMENTS:
            raise InputError(f"{path}: the element {name[:40]!r} is not allowed in drawings")
        if name == "style" and not _RULES.fullmatch(element.text or ""):
            raise InputError(f"{path}: these style rules are not allowed in drawings")
        for key, value in element.attrib.items():
            _check_attribute(key, value, path)


def _check_attribute(key: str, value: str, path: Path) -> None:
    if key in (f"{{{_XLINK}}}href", "href"):
        if not _INSIDE.fullmatch(value):
            raise InputError(f"{path}: a drawing may refer only to its own parts, not to {value[:60]!r}")
    elif _name(key) not in _ATTRIBUTES:
        raise InputError(f"{path}: the attribute {_name(key)[:40]!r} is not allowed in drawings")
    elif _ACTIVE.search(value) or not all(_INSIDE.fullmatch(found.strip("\"' ")) for found in _ADDRESS.findall(value)):
        raise InputError(f"{path}: the value {value[:60]!r} does more than draw")
    elif key == "style":
        named = [rule.partition(":")[0].strip() for rule in value.split(";") if rule.strip()]
        if odd := [name for name in named if name not in _ATTRIBUTES]:
            raise InputError(f"{path}: the style {odd[0][:40]!r} is not allowed in drawings")


def _name(tag: object) -> str:
    """The tag's name without its namespace. The tag of a comment is a function, not a string."""
    text = tag if isinstance(tag, str) else "comment"
    return text.rsplit("}", 1)[-1]
