"""The engine that options of a command name, over the one that a recipe has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from ratchet.errors import RecipeError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from ratchet.recipe import EngineConfig


def engine_of(
    kind: str | None, server: Mapping[str, str | None], fields: Sequence[str], own: EngineConfig
) -> EngineConfig:
    """`own`, the recipe's, with what was given; another engine where `kind` or an option of a server names it.

    Raises RecipeError for what is no engine, and for what the engine does not have.
    """
    from pydantic import TypeAdapter, ValidationError

    from ratchet.recipe import EngineConfig

    given = {name: value for name, value in server.items() if value is not None}
    wanted = kind or ("endpoint" if given else own.kind)
    base = own.model_dump() if wanted == own.kind else {"kind": wanted}
    try:
        found: EngineConfig = TypeAdapter(EngineConfig).validate_python({**base, **given, **dict(map(_field, fields))})
    except ValidationError as error:
        raise RecipeError(_words(wanted, error)) from error
    return found


def _field(given: str) -> tuple[str, Any]:
    name, sign, value = given.partition("=")
    if not sign or not name or name == "kind":
        raise RecipeError(f"--set {given} is no FIELD=VALUE of an engine, such as --set concurrency=4.")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {given}: {value!r} is no YAML value; put it in quotes.") from error


def _words(kind: str, error: ValidationError) -> str:
    first = error.errors()[0]
    field, words = str((*first["loc"], "")[-2]) if first["loc"] else "", first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        also = "" if kind == "endpoint" else " A server is engine endpoint."
        return f"engine {kind} has no {field}; leave it out.{also}"
    if not field:
        return f"--engine: {words}."
    # An address may hold a password.
    value = "" if field == "url" else f" {first['input']!r}"
    return f"engine {kind}: {field}{value}: {words}."
