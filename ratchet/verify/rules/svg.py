"""Well-formed SVG, without building a tree: depth costs nothing, and entities and document types are refused."""

from __future__ import annotations

from typing import Any

MOST_DEPTH = 256
_ROOTS = frozenset({"svg", "{http://www.w3.org/2000/svg}svg"})
_PIECE = 1 << 16


class SvgRefused(Exception):
    """`reason` is "no_xml", "no_svg", "too_deep" or "forbidden"."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class _Shape:
    """What the parser tells of: only the root and the depth matter."""

    def __init__(self) -> None:
        self.depth = 0
        self.begun = False

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        if not self.begun and tag not in _ROOTS:
            raise SvgRefused("no_svg", f"the root is {tag[:40]}, not svg")
        self.begun = True
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise SvgRefused("too_deep", f"nested more than {MOST_DEPTH} deep")

    def end(self, _tag: str) -> None:
        self.depth -= 1

    def close(self) -> None:
        pass


def parse_svg(source: str) -> None:
    """Read it to its end. Raises SvgRefused."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser, ParseError

    parser: Any = DefusedXMLParser(target=_Shape(), forbid_dtd=True)
    try:
        for start in range(0, len(source), _PIECE):
            parser.feed(source[start : start + _PIECE])
        parser.close()
    except DefusedXmlException as error:
        raise SvgRefused("forbidden", str(error)) from error
    except (ParseError, ValueError) as error:
        raise SvgRefused("no_xml", f"{type(error).__name__}: {error}") from error
