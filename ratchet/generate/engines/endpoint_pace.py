"""When the next request may go: growing jittered waits after a failure, and the pauses that a server asks for."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

FIRST_WAIT = 0.5
LONGEST_BACKOFF = 30.0
LONGEST_PAUSE = 120.0
"""Seconds. A server that asks for a longer pause is asked again after this one."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+")
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_EPOCH = 1e9  # a number of seconds this large is a point in time


@dataclass
class Pace:
    """The waits of one engine. Clock (monotonic seconds), wall clock and sleep can be replaced, so that tests do not wait.

    Backoff is exponential with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015).
    """

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    free_at: float = 0.0

    async def turn(self) -> None:
        """Wait while the server wants no request at all."""
        while (left := self.free_at - self.now()) > 0:
            await self.sleep(left)

    def heed(self, status: int, headers: Mapping[str, str]) -> float:
        """Note how long the server asks everyone to pause; returns the seconds, 0 where it does not ask."""
        seconds = allowance(headers, self.wall())
        if status in (429, 503):
            seconds = max(seconds, retry_after(headers, self.wall()) or 0.0)
        seconds = min(seconds, LONGEST_PAUSE)
        if seconds > 0:
            self.free_at = max(self.free_at, self.now() + seconds)
        return seconds

    async def back_off(self, attempt: int, asked: float, draw: random.Random) -> None:
        """Wait after failure number `attempt` (from 0): what the server asked for, and a jittered share of 0.5 * 2^n s."""
        await self.sleep(asked + draw.uniform(0, min(LONGEST_BACKOFF, FIRST_WAIT * 2**attempt)))


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds that Retry-After (RFC 9110: seconds or a date) or retry-after-ms ask for; None where neither is legible."""
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None:
        return max(exact / 1000, 0.0)
    given = headers.get("retry-after")
    if given is None:
        return None
    seconds = _number(given)
    if seconds is not None:
        return max(seconds, 0.0)
    try:
        date = parsedate_to_datetime(given)
    except (ValueError, OverflowError):
        return None
    return max((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - wall, 0.0)


def allowance(headers: Mapping[str, str], wall: float) -> float:
    """Seconds until requests are allowed again where x-ratelimit-remaining-* says that none is left; else 0."""
    longest = 0.0
    for name, value in headers.items():
        kind = name.lower().removeprefix("x-ratelimit-remaining")
        if kind == name.lower() or (left := _number(value)) is None or left > 0:
            continue
        longest = max(longest, span(headers.get(f"x-ratelimit-reset{kind}"), wall) or 0.0)
    return longest


def span(given: str | None, wall: float) -> float | None:
    """Seconds of "1m30.5s", "20ms", "12" or a point in time in seconds; None for anything else."""
    text = (given or "").strip()
    seconds = _number(text)
    if seconds is not None:
        return max(seconds - wall if seconds > _EPOCH else seconds, 0.0)
    if not _SPAN.fullmatch(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(text))


def _number(given: str | None) -> float | None:
    return float(given) if given is not None and re.fullmatch(r"\s*\d+(\.\d+)?\s*", given) else None
