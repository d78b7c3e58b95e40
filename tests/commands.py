"""The commands that a page tells a person to type, and whether the program would take them."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any

from typer.main import get_command

from ratchet.cli.app import app

_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.S | re.M)
_COMMAND = re.compile(r"(?:^|[|;&(]|-- |\bpod )\s*(ratchet [a-z-][^\n]*)", re.M)


def blocks(text: str, *kinds: str) -> list[str]:
    """Code of a page, without its indentation; of these languages only."""
    found = [(kind, re.sub(rf"^{indent}", "", code, flags=re.M)) for indent, kind, code in _BLOCK.findall(text)]
    return [code for kind, code in found if kind in kinds]


def typed(text: str) -> list[str]:
    """The commands of the code blocks, continued lines joined, comments and redirections left out."""
    indented = "\n".join(re.findall(r"^    (?! )(.*)$", _BLOCK.sub("", text), re.M))
    lines = "\n".join([*blocks(text, "", "sh"), indented]).replace("\\\n", " ")
    return [" ".join(re.split(r"\s[#>|]|\s&|;", line)[0].split()) for line in _COMMAND.findall(lines)]


def named(text: str) -> list[str]:
    """The commands in running text, between backticks."""
    return re.findall(r"`(ratchet [^`]+)`", _BLOCK.sub("", text))


@cache
def program() -> Any:
    """Making it takes longer than all that is asked of it."""
    return get_command(app)


def lacks(line: str) -> str | None:
    """Why the program would not take the line as it stands, None if it would. Brackets mark what may be left out, N a number."""
    words = ["1" if word == "N" else word for word in shlex.split(re.sub(r"[][]| > .*", "", line))[1:]]
    command = program()
    path = ["ratchet"]
    while words and words[0] in getattr(command, "commands", {}):
        path.append(words[0])
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands") and not command.invoke_without_command and words != ["--version"]:
        said = f"there is no {words[0]}" if words else "Missing command"
        return f"{line}: {said}; {' '.join(path)} has {', '.join(command.commands)}"
    try:
        command.make_context(" ".join(path), words)
    except Exception as error:
        said = getattr(error, "format_message", None)
        return None if type(error).__name__ == "Exit" else f"{line}: {said() if said else error}"
    return None


def bare(line: str) -> bool:
    """Only the name of a command, as running text says it."""
    return re.fullmatch(r"ratchet( [a-z][a-z-]*)+", line) is not None
