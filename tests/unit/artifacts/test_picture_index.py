from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from ratchet.artifacts.picture_index import PictureIndex

HASHES = st.integers(0, 40).map(lambda n: hashlib.sha256(str(n).encode()).hexdigest()) | st.sampled_from(
    ["00" * 32, "ff" * 32, "ab" + "00" * 31, "00" * 31 + "01"]
)
PARTS = st.lists(st.tuples(st.tuples(st.integers(0, 3), st.integers(0, 9)), st.lists(HASHES, max_size=6)), max_size=6)


@given(st.lists(PARTS, max_size=3), HASHES)
def test_the_index_is_a_dict_in_which_the_first_place_of_a_picture_stays(batches, other):
    index, known = PictureIndex(), {}
    for parts in batches:
        index.add(parts)
        for place, shas in parts:
            for sha in shas:
                known.setdefault(sha, place)
    for sha in {*known, other}:
        assert index.get(sha) == known.get(sha)
    assert set(index) == set(known)
