import pytest

from ratchet.tinyworld import SKILLS, items, prompt_of
from ratchet.tinyworld.oracle import is_right
from ratchet.verify import VERIFIERS, self_check


@pytest.mark.parametrize("skill", SKILLS)
def test_every_skill_is_checked_as_the_oracle_checks_it(skill: str) -> None:
    drawn = list(items("pool", 40, 3, skills=[skill]))
    answers = [item.answer for item in drawn]
    for item in drawn:
        prompt, _ = prompt_of(item)
        assert self_check(prompt) is None
        for text in answers:
            (name,) = prompt.verifiers
            assert VERIFIERS[name].check(prompt, text).passed == is_right(item, text)  # type: ignore[attr-defined]
