"""Numbers and foreign text, as a report writes them: rates as percentages, deltas as points, a missing value as a dash."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from ratchet.report.view import Estimate

MISSING = "–"
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# C0 (but tab, line feed, carriage return), DEL and C1: a browser drops or rewrites them, a terminal obeys them.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """Text as it can be shown: control characters by their pictures, lone surrogates as U+FFFD."""
    return _CONTROLS.sub(_picture, _LONE_SURROGATES.sub("\ufffd", text))


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == 0x7F:
        return "\u2421"
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def finite(value: float | None) -> float | None:
    """The value, or None where it is missing, NaN or infinite."""
    return value if value is not None and math.isfinite(value) else None


def thousands(number: int | None) -> str:
    return MISSING if number is None else f"{number:,}"


def number(value: float) -> str:
    """A percentage or a difference without its unit: one decimal, a real minus sign, no negative zero."""
    rounded = round(100 * value, 1)
    return f"{rounded + 0.0:.1f}".replace("-", "−")


def signed(delta: float | None) -> str:
    """A difference in points with its sign and without the word."""
    if (value := finite(delta)) is None:
        return MISSING
    text = number(value)
    return text if text.startswith("−") or text == "0.0" else f"+{text}"


def percent(rate: float | None) -> str:
    return MISSING if (value := finite(rate)) is None else f"{number(value)}%"


def points(delta: float | None) -> str:
    return MISSING if finite(delta) is None else f"{signed(delta)} points"


def bounds(estimate: Estimate | None) -> tuple[float, float] | None:
    """Both ends of the interval, if both are known."""
    if estimate is None:
        return None
    low, high = finite(estimate.low), finite(estimate.high)
    return None if low is None or high is None else (low, high)


def plain(value: float) -> str:
    """A figure on a scale of its own, such as a sum of points: three digits where it is small."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return text.replace("-", "−")


def plain_change(value: float) -> str:
    """A difference on a scale of its own, with its sign."""
    text = plain(abs(value))
    return text if not float(text.replace(",", "")) else ("+" if value > 0 else "−") + text


def plain_range(estimate: Estimate | None, write: Callable[[float], str]) -> str:
    """Both ends of an interval as `write` writes them; empty if unknown."""
    ends = bounds(estimate)
    return f"{write(ends[0])} to {write(ends[1])}" if ends else ""


def suite_figure(value: float | None) -> str:
    """One of a suite's further figures: a share as a percentage, anything else as it is."""
    if (known := finite(value)) is None:
        return MISSING
    return percent(known) if 0 <= known <= 1 else plain(known)


def rate_range(estimate: Estimate | None) -> str:
    """A rate's interval, such as "61.2 to 65.0%"; empty if unknown."""
    ends = bounds(estimate)
    return f"{number(ends[0])} to {number(ends[1])}%" if ends else ""


def delta_range(estimate: Estimate | None) -> str:
    """A difference's interval, such as "+4.1 to +8.4"; empty if unknown."""
    ends = bounds(estimate)
    return f"{signed(ends[0])} to {signed(ends[1])}" if ends else ""


def items(estimate: Estimate | None) -> str:
    """The number of items behind a value, such as "n 2,700"; empty if unknown."""
    return "" if estimate is None or estimate.n is None else f"n {estimate.n:,}"


def rate_words(estimate: Estimate | None) -> str:
    """A rate in a sentence: "63.1% (95% interval 61.2 to 65.0%, n 2,700)"."""
    return _with(percent(estimate.value), rate_range(estimate), items(estimate)) if estimate else MISSING


def delta_words(estimate: Estimate | None) -> str:
    """A difference in a sentence: "+6.3 points (95% interval +4.1 to +8.4, n 2,700)"."""
    return _with(points(estimate.value), delta_range(estimate), items(estimate)) if estimate else MISSING


def _with(value: str, interval: str, count: str) -> str:
    known = [part for part in (f"95% interval {interval}" if interval else "", count) if part]
    return f"{value} ({', '.join(known)})" if known else value


def probability(value: float | None) -> str:
    """A p-value or an error rate with three significant digits."""
    if (known := finite(value)) is None:
        return MISSING
    if known >= 1e-4 or known == 0:
        return f"{known:.3g}"
    digits, power = f"{known:.1e}".split("e-")
    return f"{digits} × 10⁻{power.lstrip('0').translate(_RAISED)}"


def duration(seconds: float | None) -> str:
    """Wall time: "8.2 s", "3 min 05 s", "1 h 12 min"."""
    if (known := finite(seconds)) is None:
        return MISSING
    if known < 59.95:
        return f"{known:.1f} s"
    whole = round(known)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def listed(parts: list[str]) -> str:
    """Words joined as in a sentence: "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
