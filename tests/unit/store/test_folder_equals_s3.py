"""The same steps on a folder and on S3 end the same way."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratchet.errors import RatchetError
from ratchet.store import Store, open_store

PARTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1, max_size=6
)
# One level, or below a folder whose name no object has: a folder cannot be a file at the same time.
KEYS = st.one_of(PARTS, PARTS.map(lambda part: f"dir/{part}"), st.sampled_from(["a", "b", "dir/a", "../x", "a/"]))
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.binary(max_size=40)),
    st.tuples(st.just("absent"), KEYS, st.binary(max_size=40)),
    st.tuples(st.just("etag"), KEYS, st.binary(max_size=40)),
    st.tuples(st.just("stale"), KEYS, st.binary(max_size=40)),
    st.tuples(st.just("delete"), KEYS, st.just(b"")),
    st.tuples(st.just("range"), KEYS, st.tuples(st.integers(-1, 50), st.integers(-1, 50))),
    st.tuples(st.just("list"), st.sampled_from(["", "a", "d", "dir/", "dir/a"]), st.just(b"")),
)


def outcome(store: Store, step: tuple[str, str, Any]) -> Any:
    """What a step gave: its result, or the name of its error."""
    kind, key, value = step
    try:
        match kind:
            case "put":
                return store.put(key, value).size
            case "absent":
                return store.put_if(key, value, absent=True).size
            case "etag" | "stale":
                found = store.stat(key)
                etag = found.etag if found and kind == "etag" else "0" * 32
                return store.put_if(key, value, etag=etag).size
            case "delete":
                return store.delete(key)
            case "range":
                return store.get_range(key, *value)
            case _:
                return [(store.key(found.uri), found.size) for found in store.list(key)]
    except RatchetError as error:
        return type(error).__name__


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=4, max_size=14))
def test_a_folder_and_s3_agree_on_any_steps(s3_root: str, tmp_path: Path, steps: list[tuple[str, str, Any]]) -> None:
    name = uuid.uuid4().hex
    folder, s3 = open_store(str(tmp_path / name)), open_store(s3_root).sub(name)
    steps = [step for step in steps if step[1] != "dir"]
    for step in steps:
        assert outcome(folder, step) == outcome(s3, step), step
    contents = [{store.key(f.uri): store.get(store.key(f.uri)) for f in store.list()} for store in (folder, s3)]
    assert contents[0] == contents[1]
    assert list(contents[0]) == list(contents[1]) == sorted(contents[0])
