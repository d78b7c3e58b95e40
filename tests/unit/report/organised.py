"""A loop with a round that the real verify and filter stages went through, with several verifiers and all kinds of drops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratchet import canonical, rounds
from ratchet.artifacts import MANIFEST, Manifest, Pack
from ratchet.artifacts.manifest import content_digest
from ratchet.recipe.audit import COMBINED
from ratchet.records import Group, Negative, Prompt
from ratchet.rounds import RoundEnd
from ratchet.settings import Settings
from ratchet.stage import run_ticket
from ratchet.statistics import wilson
from ratchet.store import Store, open_store
from ratchet.verify.audit.result import (
    COIN,
    CONSTANT,
    Answers,
    Audited,
    AuditResult,
    Difference,
    Family,
    Probed,
    Share,
)
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
WATCHED = f"{RECIPE}alarms: {{min_prompts: 9, precision: {{below: 0.9}}, length: {{drift: 0.5}}, entropy: null}}"
WRONG = ("no", "seven", "red circle", "9")


Loop = tuple[Settings, Store, dict[str, Manifest]]


def organised_loop(folder: Path, recipe: str = RECIPE) -> Loop:
    """Settings, store, and what generate, verify and filter of round 1 left."""
    settings = new_loop(folder)
    return settings, open_store(settings.root), organised_round(settings, 1, recipe)


def watched_loop(folder: Path) -> Loop:
    """Two rounds with an audit each, the second with longer answers, which an alarm of its recipe notices."""
    settings = new_loop(folder)
    store = open_store(settings.root)
    for number in (1, 2):
        done = organised_round(settings, number, WATCHED, audit())
        end = RoundEnd(state="REFUSED", reason="not-better", job=f"job-{number}", champion="1", candidate="2")
        rounds.write_end(store, LOOP, number, end)
    return settings, store, done


def organised_round(
    settings: Settings, number: int, recipe: str, audited: AuditResult | None = None
) -> dict[str, Manifest]:
    """What generate, verify and filter left; answers have 3 tokens times the round's number."""
    store = open_store(settings.root)
    ticket = opened(settings, f"job-{number}", recipe=recipe)
    groups, packs = answered(store, tokens=3 * number)
    done = {"generate": leave_generated(store, ticket, groups, packs, {})}
    done["verify"] = run_ticket("verify", ticket, {"generate": done["generate"].uri}, settings)
    if audited is not None:
        done["verify"] = with_audit(store, done["verify"], audited)
    done["filter"] = run_ticket("filter", ticket, {"verify": done["verify"].uri}, settings)
    assert rounds.manifests(store, LOOP, number).keys() == done.keys()
    return done


def with_audit(store: Store, manifest: Manifest, audited: AuditResult) -> Manifest:
    """The same manifest, had the round's audit found this."""
    results = {**manifest.results, "audit": audited.without_seconds()}
    digest = content_digest(manifest.schema_name, manifest.schema_version, manifest.shards, results)
    told = manifest.model_copy(update={"results": results, "content_digest": digest})
    store.put(f"{store.key(manifest.uri)}/{MANIFEST}", canonical.pretty(told.model_dump(mode="json")))
    return told


def audit() -> AuditResult:
    """A rule that is the truth, one that is good, one no better than a constant, one that passes nothing; and baselines."""

    def share(right: int, n: int) -> Share:
        low, high = wilson(right, n)
        return Share(n=n, clusters=n, share=right / n, low=low, high=high)

    def one(name: str, family: Family, precision: tuple[int, int], recall: int, **fields: Any) -> Audited:
        passed = Share() if not precision[1] else share(*precision)
        return Audited(
            verifier=name, version="1", family=family, base_rate=share(180, 480), precision=passed, recall=share(recall, 180),
            ranking=share(200 + recall, 400), answers=Answers(n=480), verdicts=480, **fields,
        )  # fmt: skip

    gold = {"gold": Probed(n=60, passed=60), "forms": {"sentence": Probed(n=60, passed=57)}}
    refused = {"corrupted": Probed(n=120, passed=6)}
    longer = Difference(n=90, clusters=50, value=0.31, low=0.12, high=0.5)
    return AuditResult(
        truth="prompt", prompts=60, answers=480, k=8, temperature=1.0, models=("mine v1",),
        verifiers=(
            one("numeric", "rule", (180, 180), 180, is_truth=True, **gold, **refused),
            one("exact", "rule", (150, 158), 150, **gold, **refused),
            one("rubric_of_the_seed", "model", (130, 330), 130, **gold, corrupted=Probed(n=120, passed=80), length_bias=longer,
                tokens_per_verdict=212.0, order_bias=share(30, 120)),
            one("silent", "model", (0, 0), 0),
            one(COMBINED, "policy", (160, 190), 160),
            one(CONSTANT, "baseline", (180, 480), 180),
            one(COIN, "baseline", (92, 240), 92),
        ),
    )  # fmt: skip


def answered(store: Store, count: int = 54, tokens: int = 3) -> tuple[list[Group], Sequence[Pack]]:
    """Answers of every kind: all right, some, none; in other words; cut; and one bad on purpose."""
    prompts, pictures = world("pool", count)
    return [_group(number, prompt, tokens) for number, prompt in enumerate(prompts)], [
        pack(store, pictures, "organised")
    ]


def _group(number: int, prompt: Prompt, tokens: int) -> Group:
    right = prompt.reference or "none"
    texts = [right if number % 5 > i else WRONG[(number + i) % 4] for i in range(4)]
    texts[1] = f"the answer is {texts[1]}"
    cut = "length" if number % 13 == 12 else "stop"
    made = [answer(i, text, finish_reason=cut) for i, text in enumerate(texts)]
    if number % 3 == 0:
        negative = Negative(kind="inject", seed=number, parent="completion:0")
        made.append(answer(4, WRONG[number % 4], negative=negative))
    made = [one.model_copy(update={"n_tokens": tokens}) for one in made]
    twin = prompt if number % 11 else prompt.model_copy(update={"difficulty": None})
    return Group(prompt=twin, completions=tuple(made))
