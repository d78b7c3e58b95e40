"""A loop with a round that the real verify and filter stages went through, with several verifiers and all kinds of drops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ratchet import rounds
from ratchet.artifacts import Manifest, Pack
from ratchet.records import Group, Negative, Prompt
from ratchet.settings import Settings
from ratchet.stage import run_ticket
from ratchet.store import Store, open_store
from tests.tiny import pack, world
from tests.unit.loops import LOOP, new_loop, opened
from tests.unit.report.collected import answer, leave_generated

RECIPE = """
name: organised
seed: 7
prompts: {pool: 40, validation: 9, holdout: 9, report: 9}
promote: {min_items: 9}
generate: {k: 4}
verify:
  verifiers: [prompt, exact, numeric]
  policy: weighted
  weights: {prompt: 0.9, exact: 0.1}
  threshold: 0.9
filter: {min_pass_rate: 0.2, max_pass_rate: 0.9, per_skill: 4, pairs: {}}
"""
WRONG = ("no", "seven", "red circle", "9")


def organised_loop(folder: Path, recipe: str = RECIPE) -> tuple[Settings, Store, dict[str, Manifest]]:
    """Settings, store, and what generate, verify and filter of round 1 left."""
    settings = new_loop(folder)
    store = open_store(settings.root)
    ticket = opened(settings, "job-1", recipe=recipe)
    groups, packs = answered(store)
    done = {"generate": leave_generated(store, ticket, groups, packs, {})}
    done["verify"] = run_ticket("verify", ticket, {"generate": done["generate"].uri}, settings)
    done["filter"] = run_ticket("filter", ticket, {"verify": done["verify"].uri}, settings)
    assert rounds.manifests(store, LOOP, 1).keys() == done.keys()
    return settings, store, done


def answered(store: Store, count: int = 54) -> tuple[list[Group], Sequence[Pack]]:
    """Answers of every kind: all right, some, none; in other words; cut; and one bad on purpose."""
    prompts, pictures = world("pool", count)
    return [_group(number, prompt) for number, prompt in enumerate(prompts)], [pack(store, pictures, "organised")]


def _group(number: int, prompt: Prompt) -> Group:
    right = prompt.reference or "none"
    texts = [right if number % 5 > i else WRONG[(number + i) % 4] for i in range(4)]
    texts[1] = f"the answer is {texts[1]}"
    cut = "length" if number % 13 == 12 else "stop"
    made = [answer(i, text, finish_reason=cut) for i, text in enumerate(texts)]
    if number % 3 == 0:
        negative = Negative(kind="inject", seed=number, parent="completion:0")
        made.append(answer(4, WRONG[number % 4], negative=negative))
    twin = prompt if number % 11 else prompt.model_copy(update={"difficulty": None})
    return Group(prompt=twin, completions=tuple(made))
