from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ratchet.filter.fingerprints import Fence, fingerprints_of, question_sha256
from ratchet.filter.phash import bits_of
from ratchet.records import Prompt
from tests.unit.filter.cases import prompt, ref
from tests.unit.filter.test_phash import photo


class Bank:
    """Every picture looks like the photo that the first digits of its hash choose."""

    def image(self, sha256: str) -> Image.Image:
        return photo(int(sha256[:4], 16))


def hashes(one: Prompt) -> Sequence[int]:
    return [bits_of(Bank().image(image.sha256)) for image in one.images]


def reason(fence: Fence, one: Prompt) -> str | None:
    return fence.reason(one, question_sha256(one), hashes(one))


def test_one_fingerprint_a_picture() -> None:
    two = prompt(images=[ref("a"), ref("b")])
    made = list(fingerprints_of([two, prompt(7)], Bank()))
    assert [m.prompt_id for m in made] == [two.id, two.id, prompt(7).id]
    assert [m.image_sha256 for m in made[:2]] == [ref("a").sha256, ref("b").sha256]
    assert made[0].image_phash == f"{hashes(two)[0]:016x}"
    assert made[0].question_sha256 == made[1].question_sha256 == question_sha256(two)


def test_spelling_does_not_make_another_question() -> None:
    assert question_sha256(prompt(question="How  many?")) == question_sha256(prompt(question="how many"))


@pytest.mark.parametrize("bits", [None, 4])
def test_the_fence_holds_back_prompts_and_pictures(bits: int | None) -> None:
    held = prompt(images=[ref("a"), ref("b")])
    fence = Fence(fingerprints_of([held], Bank()), bits)
    assert reason(fence, held) == "held_out_prompt"
    assert reason(fence, prompt(images=[ref("x"), ref("b")], question="another ?")) == "held_out_picture"
    assert reason(fence, prompt(images=[ref("x")])) is None


def test_near_pictures_are_held_back_when_asked_with_the_same_question_or_any() -> None:
    held = prompt(1)
    look = f"{int(held.images[0].sha256[:4], 16):04x}"
    twin = held.images[0].model_copy(update={"sha256": look + "0" * 60})
    same, other = prompt(images=[twin]), prompt(images=[twin], question="another ?")
    fence = Fence(fingerprints_of([held], Bank()), 0)
    assert (reason(fence, same), reason(fence, other)) == ("held_out_near", None)
    assert reason(Fence(fingerprints_of([held], Bank()), None), same) is None
    fence = Fence(fingerprints_of([held], Bank()), 0, near_scope="any")
    assert (reason(fence, same), reason(fence, other)) == ("held_out_near", "held_out_near")
    assert reason(fence, prompt(2)) is None


LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


@pytest.mark.parametrize(
    ("n", "shared", "held"), [(8, 8, True), (8, 7, False), (13, 13, True), (13, 12, False), (10, 10, True)]
)
def test_n_words_in_a_row_are_held_back(n: int, shared: int, held: bool) -> None:
    fence = Fence(fingerprints_of([prompt(1, question=LONG, reference="fifteen")], Bank()), ngram=n)
    words = " ".join(LONG.split()[:shared])
    for question in (f"say {words} please", f"{words.upper()}, and on we go", f"well: {words}?"):
        assert (reason(fence, prompt(2, question=question)) == "held_out_ngram") == held


def test_the_reference_counts_as_the_questions_last_words() -> None:
    held = prompt(1, question="read the sign", reference="no parking between nine and five on weekdays")
    fence = Fence(fingerprints_of([held], Bank()), ngram=8)
    same = prompt(2, question="what is written", reference="no parking between nine and five on weekdays")
    assert reason(fence, same) == "held_out_ngram"
    assert reason(Fence(fingerprints_of([held], Bank())), same) is None


def test_ngrams_are_kept_once_a_prompt_and_never_for_short_texts() -> None:
    two = prompt(question=LONG, images=[ref("a"), ref("b")])
    first, second = fingerprints_of([two], Bank())
    assert (len(first.ngrams), second.ngrams) == (15 - 7, ())
    assert [one.ngrams for one in fingerprints_of([prompt(question="how many ?")], Bank())] == [()]


_words = st.lists(st.sampled_from("abc"), max_size=24)


@settings(deadline=None, max_examples=60)
@given(_words, _words, st.integers(8, 13))
def test_the_fence_finds_exactly_the_shared_runs_of_words(held: list[str], asked: list[str], n: int) -> None:
    def runs(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

    one, other = (prompt(i, question=" ".join(w), reference=None) for i, w in ((1, held), (2, asked)))
    fence = Fence(fingerprints_of([one], Bank()), ngram=n)
    assert (reason(fence, other) == "held_out_ngram") == bool(runs(held) & runs(asked))
