"""What to say of a name that is none: the names there are, and which one was perhaps meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any


def listed(value: Any, key: str, names: Collection[str], what: str) -> Any:
    """A name, a mapping, or a list of these as a list of mappings. Raises ValueError for a name that is not known."""
    many = list(value) if isinstance(value, list | tuple) else [value]
    return [named(one, key, names, what) for one in many]


def named(value: Any, key: str, names: Collection[str], what: str) -> Any:
    """A name as the mapping {key: name}. Raises ValueError for one that is not in `names`, or a mapping without."""
    one = {key: value} if isinstance(value, str) else value
    if not isinstance(one, Mapping):
        return one  # a record that was validated before, or what pydantic refuses in its own words
    given = one.get(key)
    if given not in names:
        told = (
            f"there is no {what} {given!r}"
            if key in one
            else f"a mapping of {', '.join(map(str, one))} has no {key!r}, which names the {what}"
        )
        raise ValueError(f"{told}{meant(str(given), names)} There are: {', '.join(sorted(names))}")
    return one


def meant(given: str, names: Collection[str]) -> str:
    """How a sentence about a name that is none ends: with the nearest of those there are, or with a full stop."""
    near = get_close_matches(given, names, n=1)
    return f"; did you mean {near[0]}?" if near else "."
