"""Load a profile by name (shipped in pipelines/profiles), by file, or from its text; and say what is wrong in it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from ratchet.errors import RecipeError

if TYPE_CHECKING:
    from ratchet.profile.profile import Profile

_OPEN = ("images", "resources", "timeouts", "retries", "parallelism", "pull_policy", "name", "namespace", "launcher")
"""Fields whose value a message may repeat: nobody puts a secret there."""


def names() -> list[str]:
    """Shipped profiles."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def parse(kind: type[Profile], given: str) -> Profile:
    """Raises RecipeError naming what is wrong."""
    text, where = _read(given)
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where} is not valid: {error}") from error
    if raw is not None and not isinstance(raw, dict):
        raise RecipeError(f"{where} is not valid: it holds {type(raw).__name__}, not a mapping.")
    try:
        return kind.model_validate(raw or {})
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, one['loc'])) or 'profile'}: {_say(one)}" for one in error.errors()]
        raise RecipeError(f"{where} is not valid:\n" + "\n".join(lines) + "\nSee `ratchet profile schema`.") from error


def _say(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key; remove it or mend its spelling"
    message: str = error["msg"].removeprefix("Value error, ")
    shown = error["loc"] and error["loc"][0] in _OPEN and isinstance(error["input"], str | int | float)
    return f"{message} (given: {error['input']!r})" if shown and repr(error["input"]) not in message else message


def _read(given: str) -> tuple[str, str]:
    if "\n" in given or given.lstrip().startswith("{"):
        return given, "profile given inline"
    path = Path(given)
    if path.is_file():
        return path.read_text(encoding="utf-8"), f"profile {given}"
    shipped = _folder() / f"{given}.yaml"
    if path.suffix or "/" in given or not shipped.is_file():
        raise RecipeError(
            f"no profile file {given}; give a path to a YAML file or a shipped name ({', '.join(names())}), or leave it out for "
            "the local profile."
        )
    return shipped.read_text(encoding="utf-8"), f"profile {given}"


def _folder() -> Path:
    spec = find_spec("ratchet.pipelines")
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError("the package ratchet.pipelines is not installed; install ratchet with `pip install -e .`")
    return Path(next(iter(spec.submodule_search_locations))) / "profiles"
