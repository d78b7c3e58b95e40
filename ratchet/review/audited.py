"""People's labels as the truth of an audit: those of answers that a round learned from, never those of holdout items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ratchet import rounds
from ratchet.artifacts import GROUPS, Artifact, Pack
from ratchet.errors import VerifierError
from ratchet.records import Prompt
from ratchet.review.labels import Labels, agreed
from ratchet.store import Store
from ratchet.verify.audit.labels import Label


def labels_for_audit(store: Store, loop: str) -> tuple[dict[str, list[Label]], list[Prompt], list[Pack]]:
    """(labels by prompt, the prompts, packs of their pictures). Answers that people differ on, or are unsure of, are left out.

    Raises VerifierError where nobody has labelled anything that counts.
    """
    found = agreed(Labels(store, loop).of("pool"))
    by_round: dict[int, dict[str, list[Label]]] = {}
    for one in found:
        label = Label(prompt_id=one.prompt_id, text=one.text, right=bool(one.right), author=one.model)
        by_round.setdefault(one.round, {}).setdefault(one.prompt_id, []).append(label)
    prompts: dict[str, Prompt] = {}
    packs: list[Pack] = []
    for number, wanted in sorted(by_round.items()):
        there, theirs = _prompts(store, loop, number, wanted)
        prompts |= there
        packs += theirs
    labels = _joined(by_round, prompts)
    if not labels:
        raise VerifierError(_none_counts(store, loop, len(found)))
    return labels, [prompts[id_] for id_ in sorted(labels)], packs


def _none_counts(store: Store, loop: str, agree: int) -> str:
    """Why there is no truth for an audit, from the labels that there are."""
    more = f"`ratchet review --loop {loop}` shows answers to label."
    pool, held = (
        len({(one.prompt_id, one.text) for one in Labels(store, loop).of(place)}) for place in ("pool", "held")
    )
    if not pool and not held:
        return f"nobody has labelled an answer of loop {loop} yet; {more}"
    if agree:
        return f"the verdicts of the rounds in which people labelled {agree} answers of loop {loop} are gone; {more}"
    kept = [f"{pool} of the pool, on which people differ or are unsure"] if pool else []
    kept += [f"{held} of holdout items, which reach no audit"] if held else []
    return f"none of the answers of loop {loop} that people labelled counts in an audit: {'; '.join(kept)}. {more}"


def _prompts(
    store: Store, loop: str, number: int, wanted: Mapping[str, Sequence[Label]]
) -> tuple[dict[str, Prompt], list[Pack]]:
    """The labelled prompts of a round, as its verdicts have them; none where the round's artifacts are gone."""
    verified = rounds.manifests(store, loop, number).get("verify")
    if verified is None:
        return {}, []
    groups = Artifact.open(store, verified.uri, GROUPS).rows()
    return {g.prompt.id: g.prompt for g in groups if g.prompt.id in wanted}, list(verified.packs)


def _joined(
    by_round: Mapping[int, Mapping[str, Sequence[Label]]], prompts: Mapping[str, Prompt]
) -> dict[str, list[Label]]:
    labels: dict[str, list[Label]] = {}
    for some in by_round.values():
        for id_, given in some.items():
            if id_ in prompts:
                labels.setdefault(id_, []).extend(given)
    return labels
