"""The step that only its paper takes, at work: methods that reinforce what earns a reward."""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from ratchet import recipe as recipes
from ratchet.artifacts import ImageBank
from ratchet.recipe.training.reinforcement import ReinforcementConfig
from ratchet.records import Verdict
from ratchet.store import FolderStore
from ratchet.train.curriculum import Facts, RowOrder
from ratchet.verify.environments import TransformState, environment_rules
from ratchet.verify.policy import judge
from ratchet.verify.rules import RULE_BUILDERS
from tests.asking import made as asked_and_answered
from tests.asking import pictures
from tests.rows import group
from tests.unit.methods.made import Made, judged, score
from tests.unit.verify.environments.asked import asked as posed
from tests.unit.verify.environments.asked import noise, verdict
from tests.unit.verify.rules_table import asked


def _reinforced(made: Made) -> ReinforcementConfig:
    """It learns by reinforcement from groups whose rewards differ."""
    assert made.recipe.train.method in ("grpo", "rloo")
    assert made.rows
    assert all("rl" in g.uses for g in made.kept)
    for one in made.kept:
        scores = {judge(c.verdicts, made.recipe.verify).score for c in one.completions}
        assert len(scores) > 1, "all are worth the same"
    return made.recipe.train.reinforcement


def r1_v(made: Made) -> None:
    _reinforced(made)
    assert {g.prompt.skill for g in made.verified} == {"count"}
    right, formed = judged(made.recipe, count=1.0, format=0.0), judged(made.recipe, count=0.0, format=1.0)
    assert right.score == formed.score == 0.5, "form is worth as much as being right"
    assert judged(made.recipe, count=1.0, format=1.0).score == 1


def mm_upt(made: Made) -> None:
    rl = _reinforced(made)
    assert (rl.k, rl.temperature, rl.kl.coefficient) == (10, 0.7, 0.01)
    assert made.recipe.train.parameters.frozen == ()
    assert {len(g.completions) for g in made.verified} == {10}
    labels = [(v.passed, g) for g in made.kept for c in g.completions for v in c.verdicts]
    assert {v.verifier for g in made.kept for c in g.completions for v in c.verdicts} == {"majority"}
    for one in made.kept:
        texts = [c.text for c in one.completions]
        rewarded = {c.text for c in one.completions if score(c, "majority") == 1}
        assert max(set(texts), key=texts.count) in rewarded
        assert len([t for t in texts if t in rewarded]) >= 5, "a majority, right or wrong"
    assert labels


def dpe(made: Made) -> None:
    _reinforced(made)
    cells = made.manifests["generate"].results["cells"]
    weights = [c["weight"] for c in cells if c["probed"]]
    assert 1 < max(weights) / min(weights) <= 4 + 1e-9
    for one in made.kept:
        rate = sum(judge(c.verdicts, made.recipe.verify).passed is True for c in one.completions) / len(one.completions)
        assert 0.3 <= rate <= 0.8


def vision_r1(made: Made) -> None:
    """How long its completions become is in test_steps_trained."""
    first, second = _reinforced(made).lengths
    assert (second.start, second.max_new_tokens) == (0.5, 2 * first.max_new_tokens)


def _facts(pictures: int, rate: float, number: int) -> Facts:
    return Facts(f"p{number}", "count", rate, pictures)


def lmm_r1(made: Made) -> None:
    _reinforced(made)
    config = made.recipe.train.curriculum
    assert config is not None
    facts = tuple(_facts(1 + number % 2, 0.5, number) for number in range(20))
    order = [facts[place].pictures for place in RowOrder(facts, 1, config).epoch(0)]
    assert order == [1] * 10 + [2] * 10


def openvlthinker_rl(made: Made) -> None:
    _reinforced(made)
    train = made.recipe.train
    assert train.start == "seed", "it goes on from the supervised half"
    assert recipes.load("openvlthinker-sft").train.start == "base"
    assert train.curriculum is not None
    facts = tuple(_facts(1, rate / 8, rate) for rate in range(1, 8))
    rates = [facts[place].pass_rate for place in RowOrder(facts, 1, train.curriculum).epoch(0)]
    assert rates[0] is not None
    assert rates[-1] is not None
    assert rates[0] > 2 / 3 > 1 / 3 > rates[-1]
    for one in made.kept:
        passed = [judge(c.verdicts, made.recipe.verify).passed for c in one.completions]
        assert sum(map(bool, passed)) / len(passed) <= 0.75


def vicrit(made: Made) -> None:
    assert {g.prompt.skill for g in made.verified if g.completions} == {"spot"}
    for one in (g for g in made.verified if g.completions):
        wrong = one.prompt.reference or ""
        assert wrong
        assert wrong in one.prompt.question, "the wrong words are shown"
        assert one.prompt.origin is not None
        assert one.prompt.verifiers == ("text",)
    assert {g.reason for g in made.verified if not g.completions} <= {"nothing_to_change"}
    assert made.recipe.train.method == "grpo"


COLLECTED: dict[str, Callable[[Made], None]] = {
    "r1-v": r1_v,
    "mm-upt": mm_upt,
    "dpe": dpe,
    "vision-r1": vision_r1,
    "lmm-r1": lmm_r1,
    "openvlthinker-rl": openvlthinker_rl,
    "vicrit": vicrit,
}


@pytest.mark.parametrize("name", COLLECTED)
def test_the_step_of_its_paper_is_at_work(name: str, round_of: Callable[..., Made]) -> None:
    COLLECTED[name](round_of(name))


def _asking(name: str, said: Any, prompts: Any) -> Any:
    """The recipe's own strategy, with an engine that says what the test makes it say."""
    import json

    generate = recipes.load(name).model_dump(mode="json")["generate"]
    (strategy,) = generate["strategy"]
    return asked_and_answered(json.dumps(strategy), said, prompts, k=generate["k"])[0]


def synthrl() -> None:
    from tests.rows import prompt

    def said(request: Any, number: int) -> str:
        if request.id.count("/ask"):
            return "how many dogs sit ?"
        harder = "sit" in request.messages[-1].content
        return "3" if number < (3 if harder else 7) else "4"

    made = _asking("synthrl", said, [prompt(0, "3", ("exact",))])
    kept = [g for g in made if g.reason is None]
    assert [g.prompt.question for g in kept] == ["how many dogs sit ?"]
    assert kept[0].prompt.reference == "3", "the answer is the old one"
    assert recipes.load("synthrl").train.method == "grpo"


def visplay() -> None:
    def said(request: Any, number: int) -> str:
        if "/check" in request.id:
            return "yes"
        if "/ask" in request.id and "/solve" not in request.id:
            return "how many dogs ?"
        return "2" if number < 5 else str(number)

    made = _asking("visplay", said, pictures(1))
    kept = [g for g in made if g.reason is None]
    assert [g.prompt.reference for g in kept] == ["2"], "the vote is the label"
    recipe = recipes.load("visplay")
    assert judged(recipe, count=1.0, format=0.0).score == pytest.approx(0.9)
    assert judged(recipe, count=0.0, format=1.0).score == pytest.approx(0.1)
    assert recipe.train.method == "grpo"


def evolmm() -> None:
    recipe = recipes.load("evolmm")
    assert recipe.train.method == "rloo"
    assert recipe.train.reinforcement.kl.target is not None
    (verifier,) = recipe.verify.chosen
    from ratchet.verify.voting.building import VOTE_BUILDERS

    said = group(0, ("2", "2", "2", "3", "4"))
    scores = [v.score for v in VOTE_BUILDERS["majority"](verifier, None).verify([said])[0]]
    assert scores == pytest.approx([0.6, 0.6, 0.6, 0.2, 0.2]), "the reward is the share that agrees"


def _rewards(name: str, reference: str, *texts: str) -> list[float | None]:
    recipe = recipes.load(name)
    prompt = asked("where ?", reference, "iou")
    verdicts: list[list[Verdict]] = []
    for text in texts:
        answered = group(0, (text,)).model_copy(update={"prompt": prompt})
        made = [RULE_BUILDERS[one.name](one, None).verify([answered])[0][0] for one in recipe.verify.chosen]
        verdicts.append(made)
    return [judge(one, recipe.verify).score for one in verdicts]


def vlm_r1() -> None:
    form = "<think>there</think><answer>{}</answer>"
    boxes = ("[100, 100, 500, 500]", "[100, 100, 500, 400]", "[100, 100, 300, 300]", "[600, 600, 900, 900]")
    rewards = _rewards("vlm-r1", "[10, 10, 50, 50]", *(form.format(box) for box in boxes))
    assert rewards == pytest.approx([1.0, 0.875, 0.625, 0.5]), "half for the form, half for the overlap itself"
    assert recipes.load("vlm-r1").train.method == "grpo"


def visual_rft() -> None:
    form = "<think>there</think><answer>{}</answer>"
    truth = "cat [10, 10, 50, 50], dog [60, 60, 90, 90]"
    said = ("cat [100, 100, 500, 500], dog [600, 600, 900, 900]", "cat [100, 100, 500, 500]")
    rewards = _rewards("visual-rft", truth, *(form.format(one) for one in said))
    assert rewards == pytest.approx([1.0, 0.5 + 0.5 * 2 / 3]), "one of two boxes: F1 of 2/3"
    assert recipes.load("visual-rft").train.epochs > 1


def vision_zero() -> None:
    with TemporaryDirectory() as folder:
        bank = ImageBank(FolderStore(folder), [])
        recipe = recipes.load("vision-zero")
        (umpire,) = recipe.verify.chosen
        picture = noise(12)
        game = posed(TransformState(kind="flip"), [picture, picture[:, ::-1]], None, bank)
        rule = environment_rules(bank)[umpire.name]
        assert game.reference is None
        assert verdict(rule, game, "left right").passed
        assert not verdict(rule, game, "none").passed
        assert recipe.train.method == "grpo"


SCRIPTED = {
    "synthrl": synthrl,
    "visplay": visplay,
    "evolmm": evolmm,
    "vlm-r1": vlm_r1,
    "visual-rft": visual_rft,
    "vision-zero": vision_zero,
}


@pytest.mark.parametrize("name", SCRIPTED)
def test_the_step_of_its_paper_is_at_work_by_script(name: str) -> None:
    SCRIPTED[name]()
