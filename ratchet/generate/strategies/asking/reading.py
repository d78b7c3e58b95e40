"""The question in what a questioner says. Pure."""

from __future__ import annotations

import re

_THINK = re.compile(r"</?think>", re.IGNORECASE)
_TAG = re.compile(r"<question>(.*?)</question>", re.IGNORECASE | re.DOTALL)
_WRAPPING = " \t\"'`*_“”‘’«»"
# What models put before a question: a bullet, a number, a heading.
_LABEL = re.compile(
    r"^(?:[-•–>#]+\s+|\(?\d{1,2}[.):]\s+|(?:new |harder |rewritten )?(?:question|q)\s*\d*\s*[.:)]\s*)", re.IGNORECASE
)


def question_of(text: str, form: str, longest: int) -> str | None:
    """The question, blanks single and without what is wrapped around it; None where there is none of that form.

    `form` line: the first line that ends with a question mark; tag: the first closed <question>; else a regular
    expression with one group. What comes before </think> is not looked at, and an open <think> leaves nothing to read.
    Longer than `longest` characters is none.
    """
    parts = _THINK.split(text)
    if len(parts) > 1 and _THINK.findall(text)[-1].lower() == "<think>":
        return None
    said = parts[-1]
    found = _line(said) if form == "line" else _marked(said) if form == "tag" else _matched(said, form)
    return found if found and len(found) <= longest else None


def _line(said: str) -> str:
    return next((plain for line in said.splitlines() if (plain := _bare(line)).endswith("?") and len(plain) > 1), "")


def _bare(line: str) -> str:
    """A line without bullets, labels, quotes and emphasis, however they are nested."""
    plain = " ".join(line.split())
    while True:
        less = _LABEL.sub("", plain.strip(_WRAPPING)).strip(_WRAPPING)
        if less == plain:
            return plain
        plain = less


def _marked(said: str) -> str:
    found = _TAG.search(said)
    return " ".join(found[1].split()) if found else ""


def _matched(said: str, form: str) -> str:
    found = re.search(form, said, re.MULTILINE)
    return " ".join((found[1] or "").split()) if found else ""
