import pytest

from ratchet.verify.contained import Contained
from tests import rows
from tests.unit.verify.rules_table import asked, built, found

CASES = [
    ("\\frac{1}{2}", "0.5", True), ("1/2", "$\\frac{2}{4}$", True), ("x^2 - 1", "(x-1)(x+1)", True), ("$x=3$", "3", True),
    ("\\{1, 2, 3\\}", "$\\{3, 1, 2\\}$", True), ("(1, 2)", "$(2, 1)$", False), ("$[0,1)$", "$[0,1]$", False), ("28\\%", "0.28", True),
    ("1,000", "1000.0", True), ("$\\sqrt{8}$", "$2\\sqrt{2}$", True), ("\\pi", "3.14", False), ("$x \\ge 5$", "$5 \\le x$", True),
    ("$\\begin{pmatrix} 1 & 2 \\end{pmatrix}$", "$\\begin{pmatrix} 1 & 3 \\end{pmatrix}$", False), ("$\\frac{1}{3}$", "0.333333", True), ("5", "6", False),
    ("\\text{odd}", "$\\text{odd}$", True), ("2", "I think that it is hard", False),
]  # fmt: skip


@pytest.mark.parametrize(("reference", "text", "right"), CASES)
def test_equal_mathematics_passes_and_other_fails(reference: str, text: str, right: bool) -> None:
    for said in (text, f"\\boxed{{{text.strip('$')}}}", f"<think>0</think><answer>{text}</answer>"):
        assert found("maths", reference, said).passed is right, said


@pytest.mark.parametrize(
    ("text", "answer", "passed", "reason"),
    [
        ("first $3$, no, $4$", "auto", False, "ambiguous"), ("first $3$, no, $4$", "last", True, "match"),
        ("first $3$, no, $4$", "first", False, "wrong"), ("first $4$, no, $3$", "auto", False, "wrong"),
        ("$4$ and again $4$", "auto", True, "match"), ("\\boxed{3} ... so in the end \\boxed{4}", "auto", False, "ambiguous"),
        ("<answer>3</answer> \\boxed{4}", "auto", False, "ambiguous"), ("$3$, final answer is $4$.", "auto", True, "match"),
        ("$4$", "boxed", False, "unparsed"), ("\\boxed{4} but $3$", "boxed", True, "match"),
        ("<think>4</think>", "auto", False, "unparsed"), ("<think>4", "auto", False, "unparsed"),
    ],
)  # fmt: skip
def test_two_different_results_are_none_unless_the_recipe_chooses(
    text: str, answer: str, passed: bool, reason: str
) -> None:
    assert found("maths", "4", text, answer=answer)[1:3] == (passed, reason)


def test_boxes_may_be_the_reference_together() -> None:
    assert found("maths", "$\\{2, 3\\}$", "\\boxed{2} and \\boxed{3}").passed is True
    assert found("maths", "$\\{2, 3\\}$", "\\boxed{2} and \\boxed{4}").passed is False


SECONDS = 2.0
"""What is computed after a hang, by a process that is new, takes a tenth of a CPU second here."""


@pytest.mark.slow
@pytest.mark.parametrize("text", ["9^(9^9)", "$9^{9^{9}}$", "$(10^9)!$"])
def test_what_computes_for_ever_is_killed_and_the_next_is_answered(text: str) -> None:
    rule = built("maths", seconds=SECONDS)
    prompt = asked("?", "x + 1")
    finding = rule.check(prompt, text)
    assert finding == (None, None, "timeout", "not done within 2 s of CPU time", ())
    assert rule.check(prompt, "1 + x").passed is True


@pytest.mark.slow
def test_a_hang_is_an_error_in_its_own_verdict_alone_and_two_end_the_prompts_patience() -> None:
    rule: Contained = built("maths", seconds=SECONDS)
    texts = ("$x + 1$", "9^(9^9)", "$1 + 2x/2$", "9^(9^8)", "$x + 1$", "$y$")
    group = rows.group(0, texts)
    group = group.model_copy(update={"prompt": asked("?", "$x + 1$")})
    (verdicts,) = rule.verify([group])
    assert [(v.passed, v.reason) for v in verdicts] == [
        (True, "match"), (None, "timeout"), (True, "match"), (None, "timeout"), (True, "match"), (None, "timeout"),
    ]  # fmt: skip
    assert [v.error is None for v in verdicts] == [True, False, True, False, True, False]
    assert "given up after 2" in (verdicts[5].error or "")
    assert rule.verify([group]) == [verdicts]


def test_plain_numbers_need_no_worker() -> None:
    rule = built("maths", seconds=7.25)  # limits of its own, so a worker of its own
    prompt = asked("?", "$12.50$")
    texts = {"12.5": True, "$12.500$": True, "so \\boxed{12.5}": True, "13": False, "\\boxed{13}": False}
    assert {text: rule.check(prompt, text).passed for text in texts} == texts
    assert rule.worker.pid is None
