import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.filter import reasons
from ratchet.filter.shares import draw_key, limit_shares

_rows = st.lists(
    st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 2**64 - 1)),
    min_size=1,
    max_size=60,
    unique_by=lambda r: r[2],
)


def limited(rows: list[tuple[int, bool, int]], per_skill: int | None, balance: float | None) -> list[int]:
    codes = np.array([0 if alive else reasons.CODES["too_hard"] for _, alive, _ in rows], dtype=np.uint8)
    skills = np.array([skill for skill, _, _ in rows], dtype=np.uint32)
    keys = np.array([key for _, _, key in rows], dtype=np.uint64)
    return [int(code) for code in limit_shares(codes, skills, keys, per_skill, balance)]


def counts(rows: list[tuple[int, bool, int]], codes: list[int]) -> list[int]:
    kept = [sum(code == 0 and row[0] == skill for row, code in zip(rows, codes, strict=True)) for skill in range(4)]
    return [n for n in kept if n]


@settings(deadline=None, max_examples=40)
@given(_rows, st.none() | st.integers(1, 9), st.none() | st.floats(1, 4))
def test_cap_and_balance_are_respected(
    rows: list[tuple[int, bool, int]], per_skill: int | None, balance: float | None
) -> None:
    codes = limited(rows, per_skill, balance)
    kept = counts(rows, codes)
    assert per_skill is None or all(n <= per_skill for n in kept)
    if kept and balance is not None:
        assert max(kept) <= min(kept) * balance + 1e-6
    for (_, alive, _), code in zip(rows, codes, strict=True):
        assert alive or code == reasons.CODES["too_hard"]
    assert bool(kept) == any(alive for _, alive, _ in rows)


@settings(deadline=None, max_examples=40)
@given(_rows, st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order(rows: list[tuple[int, bool, int]], chance: object) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one = dict(zip(rows, limited(rows, 5, 1.5), strict=True))
    assert one == dict(zip(shuffled, limited(shuffled, 5, 1.5), strict=True))


def test_another_salt_draws_others() -> None:
    assert draw_key("p", "a") == draw_key("p", "a") != draw_key("p", "b")
