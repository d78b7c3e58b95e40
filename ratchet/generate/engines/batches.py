"""Which requests an engine runs together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ratchet.generate.engine import Answer, Request


@dataclass(frozen=True)
class Call:
    """One call of the model: rows of `requests` (by number), `n` answers each, the first of them being `first`."""

    requests: tuple[int, ...]
    first: int
    n: int


def calls(requests: Sequence[Request], texts: Sequence[str | Answer], k: int, batch_size: int) -> Iterator[Call]:
    """Calls of at most `batch_size` answers, `k` for each request; `texts` are theirs, or say why there is none.

    Requests alike go together: by number of pictures, then skill (answers of a skill are about as long), then length. The
    id comes last, so that calls depend on which requests there are and not on their order. Requests that are decoded with
    another mix are never in one call.
    """
    order = sorted(
        range(len(requests)),
        key=lambda i: (
            _mixing(requests[i]),
            len(requests[i].images),
            requests[i].skill,
            _length(texts[i]),
            requests[i].id,
        ),
    )
    step = max(1, batch_size // k)
    for _, alike in groupby(order, key=lambda i: _mixing(requests[i])):
        numbers = list(alike)
        for start in range(0, len(numbers), step):
            rows = tuple(numbers[start : start + step])
            for first in range(0, k, batch_size):
                yield Call(rows, first, min(k - first, batch_size))


def _length(text: str | Answer) -> int:
    return 0 if isinstance(text, Answer) else len(text)


def _mixing(request: Request) -> tuple[float, float]:
    return (request.mix, request.forget)
