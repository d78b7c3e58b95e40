"""Whether a JSON body is what a model of kfp_server_api says: known keys, types all the way down, enumerations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

Object = dict[str, Any]


class Refused(Exception):
    """An answer that is no success: HTTP code and a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def checked(model: str, body: Any) -> Object:
    """The body, if it fits the model. Raises Refused (400) with everything that is wrong."""
    wrong = list(_complaints(model, body, ""))
    if wrong:
        raise Refused(400, f"invalid {model}: {'; '.join(wrong)}")
    found: Object = body
    return found


def _complaints(kind: str, value: Any, at: str) -> Iterator[str]:
    if value is None or kind == "object":
        return
    inner = re.fullmatch(r"(list|dict)\((?:str, )?(.*)\)|list\[(.*)\]", kind)
    if inner is not None and kind.startswith("list"):
        yield from _of_list(inner[3] or inner[2], value, at)
    elif inner is not None:
        yield from _of_mapping(inner[2], value, at)
    elif kind in _PLAIN:
        if not _PLAIN[kind](value):
            yield f"{at or 'body'}: {value!r} is no {kind}"
    else:
        yield from _of_model(kind, value, at)


def _of_list(kind: str, value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{at}: no list"
        return
    for number, one in enumerate(value):
        yield from _complaints(kind, one, f"{at}[{number}]")


def _of_mapping(kind: str, value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: no mapping"
        return
    for name, one in value.items():
        yield from _complaints(kind, one, f"{at}.{name}")


def _of_model(kind: str, value: Any, at: str) -> Iterator[str]:
    import kfp_server_api

    model = getattr(kfp_server_api, kind)
    if not model.openapi_types:
        if value not in model.allowable_values:
            yield f"{at}: {value!r} is none of {', '.join(model.allowable_values)}"
        return
    if not isinstance(value, dict):
        yield f"{at or 'body'}: no {kind}"
        return
    types = {name: model.openapi_types[attribute] for attribute, name in model.attribute_map.items()}
    for name, one in value.items():
        if name not in types:
            yield f"unknown field {f'{at}.{name}'.lstrip('.')}"
        elif name not in _LONG or not isinstance(one, int):
            yield from _complaints(types[name], one, f"{at}.{name}".lstrip("."))


_LONG = ("max_concurrency", "interval_second", "long_value")
"""64-bit numbers: text in JSON, and numbers are taken too."""


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    except ValueError:
        return False


_PLAIN = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "datetime": _is_time,
}
