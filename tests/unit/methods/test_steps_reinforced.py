"""The step that only its paper takes, at work: methods that reinforce what earns a reward."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ratchet import recipe as recipes
from ratchet.artifacts import ImageBank
from ratchet.recipe.training.reinforcement import ReinforcementConfig
from ratchet.records import Prompt
from ratchet.store import FolderStore
from ratchet.train.curriculum import RowOrder
from ratchet.train.rl.rewards import prompt_of_json
from ratchet.verify.environments import TransformState
from ratchet.verify.policy import judge
from tests.asking import made as asked_and_answered
from tests.asking import pictures
from tests.rows import group, prompt
from tests.unit.methods.made import Made, checked, facts_of_rows, judged, score
from tests.unit.verify.environments.asked import asked as posed
from tests.unit.verify.environments.asked import noise
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


def _order(made: Made) -> list[int]:
    """Places of the round's rows as its curriculum has them in the first epoch."""
    config = made.recipe.train.curriculum
    assert config is not None
    order = RowOrder(facts_of_rows(made), 1, config).epoch(0)
    assert sorted(order) == list(range(len(made.rows)))
    return order


def lmm_r1(made: Made) -> None:
    _reinforced(made)
    pictures = [len(made.rows[place]["images"]) for place in _order(made)]
    assert set(pictures) == {1, 2}
    assert pictures == sorted(pictures), "all of one picture, then all of several"
    assert [len(row["images"]) for row in made.rows] != pictures, "the rows lie so by themselves"


def _pass_rates(made: Made) -> list[float]:
    """Of the rows' prompts, counted from the verdicts."""
    rates = {}
    for one in made.kept:
        passed = [judge(c.verdicts, made.recipe.verify).passed for c in one.completions]
        rates[one.prompt.id] = sum(map(bool, passed)) / len(passed)
    return [rates[prompt_of_json(row["asked"]).id] for row in made.rows]


def openvlthinker_rl(made: Made) -> None:
    _reinforced(made)
    assert made.recipe.train.start == "seed", "it goes on from the supervised half"
    assert recipes.load("openvlthinker-sft").train.start == "base"
    rates = _pass_rates(made)
    assert max(rates) <= 0.75, "what is easy already is left out"
    thirds = [int(rates[place] * 3) for place in _order(made)]
    assert thirds == sorted(thirds, reverse=True), "easy ones first"
    assert len(set(thirds)) > 1
    assert [int(rate * 3) for rate in rates] != thirds, "the rows lie so by themselves"


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


def asking(name: str, said: Any, prompts: Any, store: FolderStore) -> Made:
    """The recipe's own strategy, with an engine that says what the test makes it say; then its verify, filter and rows."""
    import json

    generate = recipes.load(name).model_dump(mode="json")["generate"]
    (strategy,) = generate["strategy"]
    groups, _ = asked_and_answered(json.dumps(strategy), said, prompts, k=generate["k"])
    return checked(name, groups, store)


def _answered(name: str, prompt: Prompt, *texts: str, store: FolderStore, bank: ImageBank | None = None) -> Made:
    """The recipe's verify, filter and rows on one prompt with these answers."""
    return checked(name, [group(0, texts).model_copy(update={"prompt": prompt})], store, bank)


def _learned(made: Made) -> list[tuple[str, str | None]]:
    """(question, label) of the rows, from which their rewards will come."""
    prompts = [prompt_of_json(row["asked"]) for row in made.rows]
    assert [one.question for one in prompts] == [row["prompt"][-1]["content"] for row in made.rows]
    return [(one.question, one.reference) for one in prompts]


def _scores(made: Made) -> list[float | None]:
    """What the answers to its only prompt are worth."""
    (one,) = made.verified
    return [judge(c.verdicts, made.recipe.verify).score for c in one.completions]


def synthrl(store: FolderStore) -> None:
    def said(request: Any, number: int) -> str:
        question = request.messages[-1].content
        if request.id.count("/ask"):
            return "how many dogs run ?" if "in 1" in question else "how many dogs sit ?"
        return "3" if number < (3 if "sit" in question else 7) else "4"

    made = asking("synthrl", said, [prompt(n, "3", ("exact",)) for n in (0, 1)], store)
    assert _learned(made) == [("how many dogs sit ?", "3")], "the harder one alone, with the answer of the old one"
    assert made.recipe.train.method == "grpo"


def two_questions(request: Any, number: int) -> str:
    """Of four askings two questions; on one five of eight answers agree (three of the first five), on the other all but the last."""
    if "/check" in request.id:
        return "yes"
    if "/ask" in request.id and "/solve" not in request.id:
        return "how many cats ?" if request.id.endswith("/ask/0") else "how many dogs ?"
    if "cats" in request.messages[-1].content:
        return "2" if number < 7 else "3"
    return "<think>so</think><answer>7</answer>" if number == 7 else str(number) if number in (3, 4) else "2"


def visplay(store: FolderStore) -> None:
    made = asking("visplay", two_questions, pictures(1), store)
    assert _learned(made) == [("how many dogs ?", "2")], "the vote is the label, and seven of eight are too many"
    assert _scores(made) == pytest.approx([0.9] * 3 + [0.0] * 2 + [0.9] * 2 + [0.1])
    assert made.recipe.train.method == "grpo"


def evolmm(store: FolderStore) -> None:
    """How the price of divergence adapts is in test_steps_trained."""
    made = asking("evolmm", two_questions, pictures(1), store)
    assert [question for question, _ in _learned(made)] == ["how many dogs ?"]
    rewards = {
        one.prompt.question: [judge(c.verdicts, made.recipe.verify).score for c in one.completions]
        for one in made.verified
    }
    assert rewards["how many dogs ?"] == pytest.approx([0.6] * 3 + [0.2] * 2), "the share that agrees"
    assert rewards["how many cats ?"] == [1.0] * 5


FORM = "<think>there</think><answer>{}</answer>"


def vlm_r1(store: FolderStore) -> None:
    boxes = ("[100, 100, 500, 500]", "[100, 100, 500, 400]", "[100, 100, 300, 300]", "[600, 600, 900, 900]")
    said = [FORM.format(box) for box in boxes]
    where = asked("where ?", "[10, 10, 50, 50]", "iou")
    made = _answered("vlm-r1", where, *said, store=store)
    assert _scores(made) == pytest.approx([1.0, 0.875, 0.625, 0.5]), "half for the form, half for the overlap itself"
    large = _answered("vlm-r1", where, *said[:2], store=store)
    assert len(large.rows) == 1, "both are large enough, and still there is something to learn"
    assert not _answered("vlm-r1", where, *said[:1] * 2, store=store).rows
    assert made.recipe.train.method == "grpo"


def visual_rft(store: FolderStore) -> None:
    both, one = "cat [100, 100, 500, 500], dog [600, 600, 900, 900]", "cat [100, 100, 500, 500]"
    twice = "cat [100, 100, 500, 500], cat [100, 100, 500, 500]"
    where = asked("where ?", "cat [10, 10, 50, 50], dog [60, 60, 90, 90]", "iou")
    made = _answered("visual-rft", where, *(FORM.format(said) for said in (both, one, twice)), store=store)
    assert _scores(made) == pytest.approx([1.0, 0.5 + 0.5 * 2 / 3, 0.75]), "F1: 1, 2/3 and, matched one to one, 1/2"
    assert len(made.rows) == 1
    assert made.recipe.train.epochs > 1


def vision_zero(store: FolderStore) -> None:
    bank = ImageBank(store, [])
    picture = noise(12)
    game = posed(TransformState(kind="flip"), [picture, picture[:, ::-1]], None, bank)
    made = _answered("vision-zero", game, "left right", "none", store=store, bank=bank)
    assert _scores(made) == [1.0, 0.0], "the environment is the umpire"
    assert _learned(made) == [(game.question, None)], "without a label"
    assert not _answered("vision-zero", game, "none", "none", store=store, bank=bank).rows
    assert made.recipe.train.method == "grpo"


SCRIPTED: dict[str, Callable[[FolderStore], None]] = {
    "synthrl": synthrl,
    "visplay": visplay,
    "evolmm": evolmm,
    "vlm-r1": vlm_r1,
    "visual-rft": visual_rft,
    "vision-zero": vision_zero,
}


@pytest.mark.parametrize("name", SCRIPTED)
def test_the_step_of_its_paper_is_at_work_by_script(name: str, tmp_path: Path) -> None:
    SCRIPTED[name](FolderStore(tmp_path))
