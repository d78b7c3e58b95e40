"""The last read: models measured on the report split, which no decision reads. What is published comes from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ratchet import canonical, rounds
from ratchet.artifacts import Artifact, ArtifactWriter, Header, ImageBank, Manifest, ModelRef
from ratchet.evaluate import metrics
from ratchet.evaluate.measuring import measure
from ratchet.evaluate.outcomes import OUTCOMES, ModelRole, Outcome
from ratchet.promptset import find, open_part
from ratchet.recipe import EvaluateConfig
from ratchet.rounds import Round
from ratchet.store import Store

VERSION = 1
SEED, CHAMPION = "seed", "champion"
Watch = Callable[[int, int, str], None]


def final_prefix(opened: Round, models: Mapping[str, ModelRef]) -> tuple[str, str]:
    """(key, place) of the last read of these models on the loop's report split."""
    body = [
        "final",
        VERSION,
        opened.report,
        opened.recipe.evaluate.asking,
        {n: m.digest for n, m in models.items()},
    ]
    key = canonical.digest(body)
    return key, f"{rounds.loop_prefix(opened.loop)}/final/{key[:12]}"


def read_report_split(
    store: Store, opened: Round, models: Mapping[str, ModelRef], watch: Watch | None = None
) -> Manifest:
    """Measure `models` (seed, champion and any control arms, by name) on the report split of the round's loop.

    Rows are the outcomes of seed (role champion) and champion (role candidate). `results` hold each model's metrics, its
    paired delta to the seed, and champion minus each arm. Read again, it returns what was measured.
    """
    key, prefix = final_prefix(opened, models)
    writer = ArtifactWriter(store, prefix, OUTCOMES, Header(stage="final", key=key, loop=opened.loop))
    finished = writer.existing()
    if finished is not None:
        return finished
    source = find(store, opened.report)
    assert source is not None, "begin has drawn the report split"
    part = open_part(store, source, "report")
    prompts, bank = list(part.rows()), ImageBank(store, part.manifest.packs)
    config: EvaluateConfig = opened.recipe.evaluate
    measured: dict[str, list[Outcome]] = {}
    by_digest: dict[str, list[Outcome]] = {}
    for index, (name, model) in enumerate(models.items()):
        if watch is not None:
            watch(index, len(models), name)
        if model.digest not in by_digest:
            by_digest[model.digest] = measure(store, model, prompts, bank, config, salt=opened.report)
        measured[name] = by_digest[model.digest]
    writer.write(0, [*_as(measured[SEED], "champion"), *_as(measured[CHAMPION], "candidate")])
    results = {**_compared(measured), "refs": {name: model.model_dump() for name, model in models.items()}}
    return writer.commit(counts={"items": len(prompts)}, results=results, packs=part.manifest.packs)


def last_read(store: Store, loop: str, version: str | None = None) -> Artifact[Outcome] | None:
    """The newest finished read of the loop's report split; with `version`, of those whose champion it was."""
    found: list[Artifact[Outcome]] = []
    prefix = f"{rounds.loop_prefix(loop)}/final/"
    for stat in store.list(prefix):
        key = store.key(stat.uri)
        if key.endswith("/manifest.json"):
            read = Artifact(store, key.removesuffix("/manifest.json"), OUTCOMES)
            champion = read.manifest.results["refs"].get(CHAMPION, {}).get("version")
            if version is None or champion in (version, None):
                found.append(read)
    return max(found, key=lambda one: one.manifest.created, default=None)


def _as(outcomes: list[Outcome], role: ModelRole) -> list[Outcome]:
    return [o.model_copy(update={"role": role}) for o in outcomes]


def _compared(measured: Mapping[str, list[Outcome]]) -> dict[str, Any]:
    arms = [name for name in measured if name not in (SEED, CHAMPION)]
    return {
        "models": {name: metrics.of_model(outcomes) for name, outcomes in measured.items()},
        "to_seed": {name: metrics.deltas(measured[name], measured[SEED]) for name in (CHAMPION, *arms)},
        "champion_minus": {name: metrics.deltas(measured[CHAMPION], measured[name]) for name in arms},
    }
