"""Rules on documents that must parse: JSON that fits a schema, Python, SVG. Nothing in them is run, drawn or fetched."""

from __future__ import annotations

import re

import orjson

from ratchet.recipe.verifiers.base import Where
from ratchet.recipe.verifiers.forms import PythonConfig, SchemaConfig, SvgConfig
from ratchet.records import Prompt
from ratchet.verify.contained import Contained, worker
from ratchet.verify.contained.child import parse_python
from ratchet.verify.extract import AMBIGUOUS, UNPARSED, answers, fenced
from ratchet.verify.protocol import Finding, Rule
from ratchet.verify.rules.reading import CUT, MATCH, TOO_LONG
from ratchet.verify.rules.svg import SvgRefused, parse_svg

LONGEST = 200_000
"""Characters of a document that are parsed."""
MEMORY_MIB = 512
SHORT = 400
_WARNED = re.compile(r"\\|[0-9.][A-Za-z_]")
"""Odd escapes and numbers run into words: Python's parser warns of these, which are a process's own affair."""
_CALLS = "draw(shapes=[1, 2])"
_DRAWING = '<svg xmlns="http://www.w3.org/2000/svg"><circle r="1"/></svg>'


def json_schema(config: SchemaConfig) -> Contained:
    """JSON that fits the schema. `pattern` is matched in the worker, where a pattern that explodes can be killed."""
    asked = worker("schema", config.seconds, MEMORY_MIB)
    schema = orjson.dumps(config.fits).decode()

    def check(_: Prompt, answer: str) -> Finding:
        document = _document(answer, config.answer)
        if isinstance(document, Finding):
            return document
        try:
            orjson.loads(document)
        except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
            return Finding(0.0, False, "no_json", str(error)[:CUT])
        wrong = asked.ask({"schema": schema, "document": document})
        return MATCH if wrong is None else Finding(0.0, False, "does_not_fit", wrong)

    made = Rule(config.called, "1", check, lambda p: f"{p.reference or ''}{{", needs_reference=False)
    return Contained(made, asked)


def python(config: PythonConfig) -> Contained:
    """Python with at least one statement that parses."""
    asked = worker("python", config.seconds, MEMORY_MIB)

    def check(_: Prompt, answer: str) -> Finding:
        source = _document(answer, config.answer)
        if isinstance(source, Finding):
            return source
        wrong = parse_python(source) if _is_harmless(source) else asked.ask(source)
        return MATCH if wrong is None else Finding(0.0, False, "no_python", wrong)

    made = Rule(config.called, "1", check, lambda p: f"{p.reference or _CALLS}(", needs_reference=False)
    return Contained(made, asked)


def svg(config: SvgConfig) -> Rule:
    """One well-formed `<svg>`, without a document type."""

    def check(_: Prompt, answer: str) -> Finding:
        source = _document(answer, config.answer)
        if isinstance(source, Finding):
            return source
        try:
            parse_svg(source)
        except SvgRefused as refused:
            return Finding(0.0, False, refused.reason, str(refused)[:CUT])
        return MATCH

    return Rule(config.called, "1", check, lambda p: f"{p.reference or _DRAWING}</svg>", needs_reference=False)


def _is_harmless(source: str) -> bool:
    """Whether the parser can be trusted with it here: too short to nest deep, and nothing that it warns of."""
    return len(source) <= SHORT and _WARNED.search(source) is None


def _document(answer: str, where: Where) -> str | Finding:
    """The one document of an answer, out of its code fence; or why there is none."""
    said = [body for part in answers(answer, where) for body in fenced(part)]
    distinct = list(dict.fromkeys(one.strip() for one in said))
    if len(distinct) > 1 and where not in ("first", "last"):
        return Finding(0.0, False, AMBIGUOUS, f"{len(distinct)} documents")
    if not distinct or not distinct[0]:
        return Finding(0.0, False, UNPARSED)
    document = said[-1].strip() if where == "last" else distinct[0]
    return Finding(0.0, False, TOO_LONG) if len(document) > LONGEST else document
