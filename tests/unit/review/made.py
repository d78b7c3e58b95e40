"""A loop with one round whose verdicts are doubtful in every way, made without any model."""

from __future__ import annotations

from pathlib import Path

from ratchet import rounds
from ratchet.artifacts import GROUPS, ArtifactWriter, Header, Manifest
from ratchet.evaluate import OUTCOMES, Outcome
from ratchet.promptset import find, open_part
from ratchet.records import Completion, Group, Prompt, Sampling, Verdict
from ratchet.settings import Settings
from ratchet.store import Store, open_store
from ratchet.verify.audit.result import Audited, AuditResult, Share
from tests.unit.loops import LOOP, new_loop, opened

RECIPE = """
name: small
seed: 7
prompts: {pool: 9, validation: 9, holdout: 9, report: 3}
verify: {verifiers: [prompt, {name: majority, label: votes, floor: 0.3}], policy: mean, threshold: 0.5}
promote: {min_items: 2}
"""
HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=2> \x1b[2J \u202e"


def verdict(verifier: str, score: float | None, passed: bool | None) -> Verdict:
    return Verdict(verifier=verifier, version="1", score=score, passed=passed, reason="match" if passed else "wrong")


def answer(index: int, text: str, *verdicts: Verdict) -> Completion:
    sampling = Sampling(seed=0, temperature=1.0, max_new_tokens=8)
    return Completion(
        index=index, text=text, finish_reason="stop", sampling=sampling, n_tokens=1, model="seed v1", verdicts=verdicts
    )


def reviewed_loop(folder: Path) -> tuple[Settings, Store]:
    """Pool answers: one that verifiers disagree on, one near the threshold, one passed by `votes`, whose audit is poor, and one that is
    clear. Holdout: one flip, and a gain."""
    settings = new_loop(folder)
    store = open_store(settings.root)
    ticket = opened(settings, recipe=RECIPE)
    prompts = find(store, rounds.read_round(store, LOOP, ticket.number).prompts)
    assert prompts is not None
    pool = list(open_part(store, prompts, "pool").rows())
    groups = [
        Group(
            prompt=pool[0],
            completions=(
                answer(0, HOSTILE, verdict("exact", 1.0, True), verdict("votes", 0.0, False)),
                answer(1, "clear", verdict("exact", 0.0, False), verdict("votes", 0.0, False)),
            ),
        ),
        Group(
            prompt=pool[1], completions=(answer(0, "near", verdict("exact", 0.55, True), verdict("votes", 0.5, True)),)
        ),
        Group(
            prompt=pool[2], completions=(answer(0, "voted", verdict("exact", 1.0, True), verdict("votes", 1.0, True)),)
        ),
    ]
    packs = open_part(store, prompts, "pool").manifest.packs
    audit = AuditResult(
        truth="prompt", prompts=9, answers=36, k=4, temperature=1.0,
        verifiers=(
            Audited(verifier="exact", version="1", family="rule", is_truth=True),
            Audited(verifier="votes", version="1", family="votes", precision=Share(n=20, clusters=9, share=0.7, low=0.5, high=0.9)),
        ),
    )  # fmt: skip
    leave(store, "verify", GROUPS, groups, packs=packs, results={"audit": audit.without_seconds()})
    holdout = list(open_part(store, prompts, "holdout").rows())
    rows = [*both(holdout[0], True, False), *both(holdout[1], False, True), *both(holdout[2], True, True)]
    leave(store, "evaluate", OUTCOMES, rows)
    return settings, store


def both(prompt: Prompt, champion: bool, candidate: bool) -> list[Outcome]:
    return [
        Outcome(
            prompt_id=prompt.id,
            split_key=prompt.split_key,
            skill=prompt.skill,
            role=role,
            text=f"{role} says {right}",
            correct=right,
            score=float(right),
            reason="match" if right else "wrong",
            unparsed=False,
            clipped=False,
        )
        for role, right in (("champion", champion), ("candidate", candidate))
    ]


def leave(store: Store, stage: str, schema, rows, packs=(), results=None, number: int = 1) -> Manifest:
    place = f"{rounds.round_prefix(LOOP, number)}/{stage}-{'0' * 12}"
    writer = ArtifactWriter(store, place, schema, Header(stage=stage, key=stage, loop=LOOP, round=number))
    writer.write(0, rows)
    return writer.commit(results=results or {}, packs=packs)
