"""Tables that cannot be read are told, with file and rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.evaluate.suites import FileProblem, open_folder


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("a.tsv", "id\tname\n1\tcaf\u00e9\n".encode("latin-1"), r"a\.tsv, after line \d+: cannot be read as a UTF-8 table"),
        ("a.csv", b"id,name\n1,\xff\n", r"a\.csv, after line \d+: cannot be read as a UTF-8 table"),
        ("a.json", b'{"id": [1, 2], "name": ["x"]}', r"a\.json: its columns have different numbers of rows \(\{'id': 2, 'name': 1\}\)"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_told(tmp_path: Path, name: str, content: bytes, rule: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileProblem, match=rule):
        list(open_folder(str(tmp_path)).rows(name))
