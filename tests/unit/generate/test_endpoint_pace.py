"""What a server's headers ask for, in seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from ratchet.generate.engines.endpoint_pace import LONGEST_PAUSE, Pace, allowance, retry_after, span

WALL = 1_800_000_000.0


def http_date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": http_date(WALL + 90)}, 90.0),
        ({"retry-after": http_date(WALL - 90)}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers, seconds):
    assert retry_after(headers, WALL) == seconds


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("20ms", 0.02),
        ("7", 7.0),
        (str(WALL + 30), 30.0),
        ("1 minute", None),
        ("", None),
        (None, None),
    ],
)
def test_a_reset_is_a_span_a_number_or_a_point_in_time(given, seconds):
    found = span(given, WALL)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_only_an_allowance_that_is_used_up_asks_for_a_pause():
    reset = {"x-ratelimit-reset-requests": "30s", "x-ratelimit-reset-tokens": "90s"}
    left = {"x-ratelimit-remaining-requests": "3", "x-ratelimit-remaining-tokens": "1000"}
    assert allowance(reset | left, WALL) == 0
    assert allowance(reset | left | {"x-ratelimit-remaining-requests": "0"}, WALL) == 30
    assert allowance(reset | left | {"X-RateLimit-Remaining-Tokens": "0"}, WALL) == 90
    assert allowance({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "5"}, WALL) == 5
    assert allowance({"x-ratelimit-remaining-tokens": "0"}, WALL) == 0


def test_no_server_makes_us_pause_for_longer_than_the_cap():
    pace = Pace(now=lambda: 0.0, wall=lambda: WALL)
    assert pace.heed(429, {"retry-after": "86400"}) == LONGEST_PAUSE
    assert pace.free_at == LONGEST_PAUSE
    assert pace.heed(503, {"retry-after": "1"}) == 1
    assert pace.free_at == LONGEST_PAUSE, "a shorter wish does not shorten a longer one"


def test_retry_after_on_an_answer_is_nothing_to_wait_for():
    pace = Pace(now=lambda: 0.0, wall=lambda: WALL)
    assert pace.heed(200, {"retry-after": "60"}) == 0
    assert pace.free_at == 0
