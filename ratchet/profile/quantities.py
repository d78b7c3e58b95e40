"""The words of Kubernetes that a profile holds, checked when it is read and not by a pod that does not start."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

_CPU = re.compile(r"(\d+(\.\d+)?|\d*\.\d+|\d+m)")
_BYTES = re.compile(r"(\d+)([EPTGMk]|[EPTGMK]i)?")
_DURATION = re.compile(r"(\d+)(s|m|h|d)")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_UNITS |= {f"{letter}i": 2 ** (10 * power) for power, letter in enumerate("KMGTPE", 1)}
NEVER = "never"


def _cpu(value: str) -> str:
    if not _CPU.fullmatch(value):
        raise ValueError(f"{value!r} is no number of CPUs; write such as 4, 0.5 or 500m")
    return value


def _memory(value: str) -> str:
    # Kubernetes knows more forms (1.5Gi, 128974848000m), which KFP's compiler refuses.
    if not _BYTES.fullmatch(value) or value.endswith("k") or not bytes_of(value):
        raise ValueError(f"{value!r} is no amount of bytes that KFP takes; write a whole number such as 512Mi or 64Gi")
    return value


def _duration(value: str) -> str:
    if value != NEVER and (not _DURATION.fullmatch(value) or not int(value[:-1])):
        raise ValueError(f"{value!r} is no length of time; write such as 30m, 12h or 2d, or {NEVER} for no limit")
    return value


def _label_key(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise ValueError(
            f"{value!r} cannot be the key of a label or an annotation; write such as team or example.com/team"
        )
    return value


def bytes_of(quantity: str) -> int:
    """64Gi -> 68719476736. Raises ValueError for what is no whole number of bytes."""
    found = _BYTES.fullmatch(quantity)
    if found is None:
        raise ValueError(f"{quantity!r} is no whole number of bytes")
    return int(found[1]) * _UNITS[found[2] or ""]


def seconds_of(duration: str) -> int | None:
    """12h -> 43200; None for `never`."""
    return None if duration == NEVER else int(duration[:-1]) * _SECONDS[duration[-1]]


Cpu = Annotated[str, AfterValidator(_cpu)]
Memory = Annotated[str, AfterValidator(_memory)]
Duration = Annotated[str, AfterValidator(_duration)]
LabelKey = Annotated[str, AfterValidator(_label_key)]
DataKey = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]{1,253}$")]
"""A key in a Secret or a ConfigMap."""
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
