"""What a card tells of a version, read from the store and the registry. Reads only: twice the same from the same store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ratchet import canonical, rounds
from ratchet.alarms import raised
from ratchet.artifacts import GROUPS, Artifact, Manifest
from ratchet.errors import ArtifactError, NotFound
from ratchet.promptset import find
from ratchet.records import Record
from ratchet.registry.approval import read_answer
from ratchet.registry.base import ROUND, ModelVersion, Registry
from ratchet.registry.promotion import Kind, Move, history
from ratchet.report.final import CHAMPION, last_read
from ratchet.rounds import Round
from ratchet.store import Store

SOURCE = "ratchet.source"
PARENT = "ratchet.parent_version"
MOST_PARENTS = 1000


class Data(Record):
    """Prompts that were learned from, of one source under one licence (None: nobody says which); once for each round."""

    source: str
    licence: str | None
    prompts: int


class Facts(Record):
    """All that a card says. What the store does not have (an old round's artifacts, a seed's training) is empty or None.

    `promoted` is the day that it became champion, `move` how: through the gate, or by a person's move around it. `lineage` are
    the version's ancestors, the first seed last; `seed_source` is where that came from. `measured` and `decided` are the
    results of evaluate and promote, `answered` a person's answer; `published` those of the last read of the report split, if
    it read this version. `data` is of all rounds in `learned`, those of the version and of its ancestors; the rest is of `round`.
    """

    loop: str
    version: str
    digest: str
    uri: str
    promoted: str | None
    move: Kind | None = None
    lineage: tuple[str, ...]
    seed_source: str
    round: int | None = None
    recipe: str = ""
    method: str = ""
    code_revision: str = ""
    prompts_name: str = ""
    prompts_source: str = ""
    counts: dict[str, dict[str, int]] = {}
    data: tuple[Data, ...] = ()
    learned: tuple[int, ...] = ()
    dropped: dict[str, int] = {}
    measured: dict[str, Any] = {}
    decided: dict[str, Any] = {}
    answered: str = ""
    published: dict[str, Any] = {}
    controls: dict[str, Any] = {}
    alarms: tuple[str, ...] = ()
    autonomy: str = ""


def facts_of(store: Store, registry: Registry, loop: str, version: ModelVersion) -> Facts:
    """What is known of a version of a loop."""
    by_number = {one.version: one for one in registry.versions(loop)}
    line = _line(version, by_number)
    move = _move(store, loop, version.version)
    there = frozenset(rounds.numbers(store, loop))
    number, *before = (_round_of(one, there) for one in line)
    learned = [one for one in (number, *before) if one is not None]
    fields = _of_round(store, rounds.read_round(store, loop, number)) if number is not None else {}
    return Facts(
        loop=loop,
        version=version.version,
        digest=version.digest,
        uri=version.uri,
        promoted=None if move is None else f"{move.intent.at:%Y-%m-%d}",
        move=None if move is None else move.intent.kind,
        lineage=tuple(one.version for one in line[1:]),
        seed_source=line[-1].tags.get(SOURCE, ""),
        data=_data(store, loop, learned),
        learned=tuple(sorted(learned)),
        published=_published(store, loop, version.digest),
        **fields,
    )


def _round_of(version: ModelVersion, there: frozenset[int]) -> int | None:
    """The round that made a version, if the store has it."""
    tagged = version.tags.get(ROUND, "")
    return int(tagged) if tagged.isdecimal() and int(tagged) in there else None


def _move(store: Store, loop: str, version: str) -> Move | None:
    """How the version became champion: through the gate where it ever did, else the first of the other moves."""
    moves = [m for m in history(store, loop) if m.moved and m.intent.target == version]
    return next((m for m in moves if m.intent.kind == "promotion"), moves[0] if moves else None)


def _line(version: ModelVersion, known: Mapping[str, ModelVersion]) -> list[ModelVersion]:
    """The version, its parent, that one's, as far as the registry tells."""
    line = [version]
    while len(line) < MOST_PARENTS:
        parent = known.get(line[-1].tags.get(PARENT, ""))
        if parent is None or parent in line:
            break
        line.append(parent)
    return line


def _of_round(store: Store, opened: Round) -> dict[str, Any]:
    loop, number = opened.loop, opened.number
    done = rounds.manifests(store, loop, number)
    prompts = find(store, opened.prompts)
    filtered = done.get("filter")
    return {
        "round": number,
        "recipe": opened.recipe.name,
        "method": opened.recipe.train.method,
        "code_revision": opened.code_revision,
        "prompts_name": prompts.name if prompts is not None else "",
        "prompts_source": prompts.source if prompts is not None else "",
        "counts": {name: dict(done[name].counts) for name in ("generate", "verify", "filter", "train") if name in done},
        "dropped": {} if filtered is None else dict(filtered.results.get("reasons", {})),
        "measured": dict(done["evaluate"].results) if "evaluate" in done else {},
        "decided": dict(done["promote"].results) if "promote" in done else {},
        "answered": _answered(store, loop, number),
        "controls": _controls(store, loop),
        "alarms": tuple(f"{alarm.name}: {alarm.words}" for _, alarm in raised(store, loop, number)),
        "autonomy": opened.autonomy.sentence if opened.autonomy is not None else "",
    }


def _data(store: Store, loop: str, learned: Sequence[int]) -> tuple[Data, ...]:
    """The prompts that rounds kept, by source and licence."""
    counted: Counter[tuple[str, str | None]] = Counter()
    for number in learned:
        if (filtered := rounds.manifests(store, loop, number).get("filter")) is not None:
            counted += _kept(store, filtered)
    ranked = sorted(counted.items(), key=lambda one: (-one[1], one[0][0], one[0][1] or ""))
    return tuple(Data(source=source, licence=licence, prompts=n) for (source, licence), n in ranked)


def _kept(store: Store, filtered: Manifest) -> Counter[tuple[str, str | None]]:
    """What one round kept; nothing where its rows are gone."""
    counted: Counter[tuple[str, str | None]] = Counter()
    try:
        for table in Artifact.open(store, filtered.uri, GROUPS).tables():
            dropped = table.column("reason").to_pylist()
            prompts = table.column("prompt").combine_chunks()
            pairs = zip(prompts.field("source").to_pylist(), prompts.field("licence").to_pylist(), strict=True)
            counted.update(pair for pair, reason in zip(pairs, dropped, strict=True) if reason is None)
    except (ArtifactError, NotFound):
        return Counter()
    return counted


def _published(store: Store, loop: str, digest: str) -> dict[str, Any]:
    """The last read of the report split, where it read this very version."""
    found = last_read(store, loop)
    if found is None or found.manifest.results.get("refs", {}).get(CHAMPION, {}).get("digest") != digest:
        return {}
    return dict(found.manifest.results)


def _answered(store: Store, loop: str, number: int) -> str:
    """What a person said to the promotion, where the recipe asks one."""
    given = read_answer(store, loop, number)
    return "" if given is None else given.words()


def _controls(store: Store, loop: str) -> dict[str, Any]:
    try:
        return dict(canonical.loads(store.get(f"{rounds.loop_prefix(loop)}/controls/results.json")))
    except NotFound:
        return {}
