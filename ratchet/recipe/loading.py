"""Load a recipe by name (shipped in pipelines/recipes), by file, or from YAML text; and write the resolved one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ratchet.errors import RecipeError
from ratchet.recipe.naming import meant
from ratchet.recipe.recipe import Recipe


def names() -> list[str]:
    """Shipped recipes."""
    return sorted(p.stem for p in _folder().glob("*.yaml"))


def load(given: str | Path) -> Recipe:
    """Load a recipe: a shipped name, a path to YAML, or the YAML itself. Raises RecipeError naming what is wrong."""
    text, where = _read(str(given))
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise RecipeError(f"{where} holds {type(raw).__name__}, not a mapping. Shipped recipes: {', '.join(names())}.")
    return parse(raw, where)


def parse(raw: Mapping[str, Any], where: str = "the recipe") -> Recipe:
    """Validate a recipe given as a mapping."""
    try:
        return Recipe.model_validate(dict(raw))
    except ValidationError as error:
        lines = [f"  {'.'.join(str(p) for p in e['loc']) or 'recipe'}: {_say(e)}" for e in error.errors()]
        raise RecipeError(
            f"{where} is not a valid recipe:\n" + "\n".join(lines) + "\nSee `ratchet recipe show rft`."
        ) from error


def dump(recipe: Recipe) -> str:
    """The resolved recipe as YAML, every default spelled out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, width=120)


_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
"""Names of keys whose values are not repeated: somebody may have put a secret where none belongs."""


def _say(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        value = "" if _SECRET.search(str(error["loc"][-1])) else f" (value {error['input']!r})"
        return f"unknown key{value}; remove it or mend its spelling"
    message: str = error["msg"].removeprefix("Value error, ")
    if "url" in error["loc"] or not isinstance(error["input"], str | int | float | None):
        return message  # an address may hold a password, and a mapping anything
    return f"{message} (given: {error['input']!r})" if error["loc"] else message


def _folder() -> Path:
    from importlib.util import find_spec

    spec = find_spec("ratchet.pipelines")
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError("the package ratchet.pipelines is not installed; install ratchet with `pip install -e .`")
    return Path(next(iter(spec.submodule_search_locations))) / "recipes"


def _read(given: str) -> tuple[str, str]:
    if "\n" in given or given.lstrip().startswith("{"):
        return given, "the inline recipe"
    path = Path(given)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise RecipeError(f"no recipe file {given}. Shipped recipes: {', '.join(names())}.")
        return path.read_text(encoding="utf-8"), given
    shipped = _folder() / f"{given}.yaml"
    if not shipped.is_file():
        raise RecipeError(
            f"no recipe {given!r}{meant(given, names())} Shipped: {', '.join(names())}; or give a path to a YAML file."
        )
    return shipped.read_text(encoding="utf-8"), f"recipe {given}"
