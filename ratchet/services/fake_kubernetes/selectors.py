"""Label and field selectors, and the merge of a patch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TERM = re.compile(
    r"(?P<key>[^\s=!,()]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[^,]*)|\s(?P<set>in|notin)\s*\((?P<among>[^)]*)\))?"
)


def labelled(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels fit "a=b,c!=d,e in (f,g),h"."""
    terms = re.findall(r"(?:[^,(]|\([^)]*\))+", selector)
    return all(_fits(term.strip(), labels) for term in terms)


def _fits(term: str, labels: Mapping[str, str]) -> bool:
    found = _TERM.fullmatch(term)
    if found is None:
        raise ValueError(f"label selector {term!r} cannot be read")
    value = labels.get(found["key"])
    if found["set"]:
        return (value in {one.strip() for one in found["among"].split(",")}) == (found["set"] == "in")
    if found["op"] is None:
        return value is not None
    return (value == found["value"].strip()) == (found["op"] != "!=")


def fielded(selector: str, value: Mapping[str, Any]) -> bool:
    """Whether an object fits "metadata.name=a,involvedObject.uid=b"."""
    for term in filter(None, selector.split(",")):
        path, _, wanted = term.partition("=")
        found: Any = value
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if str(found) != wanted.lstrip("="):
            return False
    return True


def merged(value: Any, patch: Any) -> Any:
    """RFC 7386: mappings merge, null removes, everything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(value) if isinstance(value, Mapping) else {}
    for name, inner in patch.items():
        if inner is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), inner)
    return found
