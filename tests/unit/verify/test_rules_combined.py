import pytest

from ratchet import recipe
from ratchet.records import Group
from ratchet.verify import judge, verdicts_of
from ratchet.verify.rules import RULE_BUILDERS, VERIFIERS
from tests import rows

CONFIG = recipe.load("rft-format").verify
BUILT = {
    **VERIFIERS,
    **{one.called: RULE_BUILDERS[one.name](one, None) for one in CONFIG.chosen if one.name != "prompt"},
}


def judged(text: str) -> tuple[bool | None, float | None]:
    group = Group(prompt=rows.prompt(0, "3"), completions=(rows.completion(0, text),))
    names = [one.called for one in CONFIG.chosen]
    ((verdicts,),) = verdicts_of([group], names, 10, BUILT)
    assert [v.verifier for v in verdicts] == ["numeric", "format"]
    return judge(verdicts, CONFIG)[:2]


@pytest.mark.parametrize(
    ("text", "passed", "score"),
    [
        ("<think>one, two, three</think><answer>3</answer>", True, 1.0),
        ("3", True, 0.9),
        ("<think>so</think><answer>4</answer>", False, 0.1),
        ("<think>3</think><answer>4</answer>", False, 0.1),
        ("<think>3", False, 0.0),
        ("4", False, 0.0),
    ],
)
def test_nine_tenths_are_for_the_answer_and_one_for_its_form(text: str, passed: bool, score: float) -> None:
    assert judged(text) == (passed, pytest.approx(score))
