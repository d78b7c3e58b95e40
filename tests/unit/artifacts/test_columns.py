import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ratchet import canonical
from ratchet.artifacts import GROUPS
from ratchet.records import Group, Record, Verdict
from tests import rows


@settings(max_examples=60, deadline=None)
@given(st.lists(rows.groups, max_size=6))
def test_groups_survive_the_way_through_columns(made: list[Group]) -> None:
    table = GROUPS.table(made)
    assert GROUPS.rows(table) == made
    assert GROUPS.dicts(table) == table.to_pylist(maps_as_pydicts="strict")


@settings(max_examples=30, deadline=None)
@given(st.lists(rows.groups, min_size=2, max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_a_slice_of_a_table_gives_that_slice_of_the_rows(made: list[Group], start: int, length: int) -> None:
    assert GROUPS.rows(GROUPS.table(made).slice(start, length)) == made[start : start + length]


@settings(max_examples=30, deadline=None)
@given(st.lists(rows.groups, max_size=8), st.randoms())
def test_the_rows_hash_depends_neither_on_order_nor_on_sharding(made: list[Group], random: object) -> None:
    whole = GROUPS.rows_hash(GROUPS.table(made))
    shuffled = list(made)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    half = len(made) // 2
    parts = [GROUPS.rows_hash(GROUPS.table(p)) for p in (shuffled[:half], shuffled[half:])]
    assert canonical.add_hashes(parts) == whole


def test_the_rows_hash_tells_a_repeated_row_and_a_changed_letter() -> None:
    one, other = rows.group(1), rows.group(1, ("3", "5"))
    hashes = {GROUPS.rows_hash(GROUPS.table(made)) for made in ([one], [one, one], [other])}
    assert len(hashes) == 3


def test_the_hash_of_a_known_group_is_what_it_was() -> None:
    # A change here means that every stored artifact gets another digest: bump the schema's version with it.
    assert GROUPS.version == 3
    assert GROUPS.rows_hash(GROUPS.table([rows.group(1)]))[:16] == "a6e90b4bf0c5369c"


def test_an_unknown_key_and_a_score_above_one_are_refused() -> None:
    with pytest.raises(ValidationError):
        Group.model_validate({**rows.group().model_dump(), "extra": 1})
    verdict = {"verifier": "v", "version": "1", "score": 1.5, "reason": "match"}
    with pytest.raises(ValidationError):
        Verdict.model_validate(verdict)


def test_a_type_without_a_column_says_which_types_have_one() -> None:
    from ratchet.artifacts.columns import arrow_type

    class Odd(Record):
        value: set[str]

    with pytest.raises(TypeError, match="use scalars, Literal"):
        arrow_type(Odd)


def test_a_prompt_id_depends_on_messages_and_pictures_only() -> None:
    one = rows.prompt(1)
    assert one.id == one.model_copy(update={"reference": "9", "skill": "other"}).id
    assert rows.prompt(1, reference="7").id == one.id
    assert rows.prompt(2).id != one.id
