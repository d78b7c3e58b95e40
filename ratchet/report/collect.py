"""From what a loop has left in the store to the frozen view that the reports render. Reads only; decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import ratchet
from ratchet import rounds
from ratchet.artifacts import Manifest
from ratchet.provenance import code_revision
from ratchet.registry.approval import read_answer
from ratchet.registry.base import Registry
from ratchet.registry.promotion import Move
from ratchet.report.afterwards import afterwards, moves_of
from ratchet.report.champion import champion_version, champion_view
from ratchet.report.collection import collection_view
from ratchet.report.controls import controls
from ratchet.report.dropped import dropped
from ratchet.report.final import CHAMPION, SEED, last_read
from ratchet.report.gallery import PICTURE_BYTES, gallery
from ratchet.report.measured import changes, costs, delta_view, model_view, skill_deltas, suite_views
from ratchet.report.organising import alarms_view, audit_view, filtering_view, verification_view
from ratchet.report.people import PeopleView, people_views
from ratchet.report.specimens import specimens
from ratchet.report.training import training_of
from ratchet.report.view import (
    GuardView,
    LoopView,
    RoundView,
    StageView,
)
from ratchet.rounds import Round
from ratchet.stage import STEPS
from ratchet.status import autonomy_of_round, why_open
from ratchet.store import Store

CLOSE = 3
ITEMS = 2000
ASIDE: Mapping[str, str] = {"negatives": "negatives", "without_picture": "without the picture"}
"""What verify counts beside the model's own answers, in words."""

PHRASES: Mapping[str, str] = {
    "better": "proved better, and every guard holds",
    "not-better": "not proved better",
    "guard-failed": "better on the whole, but a guard failed",
    "below-min-gain": "the gain is below the least that counts",
    "too-few-items": "too few items to prove anything",
    "too-many-unscored": "too many items without a verdict",
    "items-seen-before": "these items were looked at before, and the recipe refuses to use them again",
    "error-spent": "the loop's error is used up, so nothing can be promoted",
}


def collect(
    store: Store,
    loop: str,
    *,
    items: int = ITEMS,
    picture_bytes: int = PICTURE_BYTES,
    started: datetime | None = None,
    looked_at: Collection[int] | None = None,
    registry: Registry | None = None,
) -> LoopView:
    """The whole loop as it stands, with at most `items` and `picture_bytes` of pictures in the gallery. With `registry`, a move
    of the alias shows that the loop's log has not recorded yet.

    Rows of the collection are shown for the rounds in `looked_at`; None: the last three.
    """
    numbers = rounds.numbers(store, loop)
    close = numbers[-CLOSE:] if looked_at is None else looked_at
    moves = moves_of(store, loop, registry)
    said = people_views(store, loop)
    seen = tuple(
        round_view(store, loop, number, moves, close=number in close, people=said.get(number)) for number in numbers
    )
    first = rounds.read_round(store, loop, numbers[0]) if numbers else None
    version = champion_version(loop, moves, first, registry)
    final = last_read(store, loop, version)
    results: Mapping[str, Any] = final.manifest.results if final is not None else {}
    models = results.get("models", {})
    refs = results.get("refs", {})
    return LoopView(
        loop=loop,
        made=datetime.now(UTC),
        ratchet_version=ratchet.__version__,
        code_revision=code_revision(),
        recipe=first.recipe.name if first else "",
        rounds=seen,
        seed=model_view(_label(refs, SEED), models[SEED]) if SEED in models else None,
        final=model_view(_label(refs, CHAMPION), models[CHAMPION]) if CHAMPION in models else None,
        champion=champion_view(version, seen, moves, results),
        controls=controls(store, loop, results),
        gallery=tuple(gallery(store, loop, numbers, final, items, picture_bytes)),
        seconds=(datetime.now(UTC) - started).total_seconds() if started else None,
    )


def round_view(
    store: Store, loop: str, number: int, moves: Sequence[Move], *, close: bool = True, people: PeopleView | None = None
) -> RoundView:
    """One round, finished or not; `moves` are the loop's; `close`: with rows of its collection; `people`: their labels."""
    opened = rounds.read_round(store, loop, number)
    end = rounds.read_end(store, loop, number)
    done = rounds.manifests(store, loop, number)
    fields: dict[str, Any] = {"candidate_version": None}
    if "evaluate" in done:
        fields |= _measured(done["evaluate"], opened)
    if "promote" in done:
        fields |= _decided(done["promote"], opened)
    said, stopped = (end.reason, False) if end else why_open(store, opened)
    generated = done.get("generate")
    if generated is not None:
        fields["collection"] = collection_view(generated, specimens(store, generated) if close else ())
    fields |= _organised(store, opened, done, close)
    return RoundView(
        number=number,
        autonomy=autonomy_of_round(opened, fields["candidate_version"], moves),
        state=end.state if end else "RUNNING",
        reason=PHRASES.get(said, said) if said else "the round has not ended",
        stopped=stopped,
        answer=answer.words() if (answer := read_answer(store, loop, number)) else "",
        later=afterwards(moves, fields["candidate_version"]),
        people=people,
        seed_version=opened.seed.version,
        seed_digest=opened.seed.digest,
        candidate_digest=_trained(done.get("train")),
        prompts_digest=opened.prompts,
        stages=tuple(_stage(done[name]) for name in STEPS if name in done),
        seconds=(end.ended - opened.opened).total_seconds() if end else None,
        recipe=opened.recipe.name,
        training=training_of(store, done.get("train")),
        opened=opened.opened,
        costs=tuple(cost for name in STEPS if name in done for cost in costs(name, done[name].results)),
        **_funnel(done),
        **fields,
    )


def _measured(evaluated: Manifest, opened: Round) -> dict[str, Any]:
    results = evaluated.results
    return {
        "champion": model_view(opened.seed.label, results["champion"]),
        "candidate": model_view("candidate", results["candidate"]),
        "delta": delta_view(results.get("delta")),
        "skill_deltas": skill_deltas(results),
        "changes": changes(results),
        "suites": suite_views(results),
    }


def _decided(promoted: Manifest, opened: Round) -> dict[str, Any]:
    results = promoted.results
    decision = results["decision"]
    policy = opened.recipe.promote
    return {
        "sentences": tuple(results["words"]),
        "candidate_version": results["candidate"],
        "p_value": decision["p_value"],
        "alpha_spent": decision["alpha_spent"],
        "look": decision["look"],
        "gate": "promote" if decision["reason"] == "better" else PHRASES.get(decision["reason"], decision["reason"]),
        "e_value": decision.get("e_value"),
        "null_gain": policy.min_gain if policy.min_gain_rule == "proved" else 0.0,
        "guards": tuple(_guard(guard) for guard in decision["guards"]),
    }


def _guard(found: Mapping[str, Any]) -> GuardView:
    return GuardView(**{name: found[name] for name in GuardView.model_fields})


def _trained(train: Manifest | None) -> str | None:
    """The digest of the model that training made."""
    digest: str | None = (train.results.get("model") or {}).get("digest") if train is not None else None
    return digest


def _funnel(done: Mapping[str, Manifest]) -> dict[str, Any]:
    generated, verified, filtered, trained = (done.get(name) for name in ("generate", "verify", "filter", "train"))
    fields: dict[str, Any] = {}
    if generated is not None:
        fields |= {"prompts": generated.counts["prompts"], "completions": generated.counts["completions"]}
    if verified is not None:
        fields |= {"passed": verified.counts.get("passed"), "aside": _aside(verified)}
    if filtered is not None:
        fields |= {
            "kept": filtered.counts["kept"],
            "drops": filtered.results.get("reasons", {}),
            "kept_by_skill": {name: one["kept"] for name, one in filtered.results.get("skills", {}).items()},
        }
    if trained is not None:
        fields |= {
            "visits": trained.counts["visits"],
            "loss": tuple((int(step), loss) for step, loss in trained.results["report"]["curve"]),
        }
    return fields


def _organised(store: Store, opened: Round, done: Mapping[str, Manifest], close: bool) -> dict[str, Any]:
    verified, filtered = done.get("verify"), done.get("filter")
    fields: dict[str, Any] = {
        "alarms": alarms_view(store, opened.prefix),
        "audit": audit_view(store, opened.prefix, verified),
    }
    if verified is not None:
        fields["verification"] = verification_view(verified)
    if filtered is not None:
        fields["filtering"] = filtering_view(filtered, dropped(store, filtered) if close else ())
    return fields


def _aside(verified: Manifest) -> dict[str, int]:
    """Completions that say nothing about the model; none are known of in rounds older than these counts."""
    found = {words: verified.counts.get(name, 0) for name, words in ASIDE.items()}
    return {words: number for words, number in found.items() if number}


def _stage(manifest: Manifest) -> StageView:
    return StageView(
        name=manifest.stage,
        uri=manifest.uri,
        content_digest=manifest.content_digest,
        rows=manifest.rows,
        counts=manifest.counts,
        seconds=manifest.seconds,
        parents={name: parent.content_digest for name, parent in manifest.parents.items()},
    )


def _label(refs: Mapping[str, Any], name: str) -> str:
    ref = refs.get(name, {})
    return f"{name} (version {ref['version']})" if ref.get("version") else name
