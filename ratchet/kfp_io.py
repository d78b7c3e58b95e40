"""The one file that writes KFP outputs: what a component's few lines call.

A component's output artifact is the manifest itself, a small JSON; its metadata carry what the Kubeflow UI shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ratchet import canonical, rounds
from ratchet.artifacts.manifest import Manifest, parse_manifest
from ratchet.begin import BeginOptions, begin
from ratchet.errors import RatchetError
from ratchet.finish import finish
from ratchet.launching import LauncherConfig
from ratchet.operations.policy import read_stopped
from ratchet.rounds import Ticket
from ratchet.settings import Settings
from ratchet.stage import StageContext, run_step, run_ticket
from ratchet.store import open_store


def open_round(job: str, options: BeginOptions, opened: Any) -> list[int]:
    """Body of the component begin. `opened` is the KFP output artifact that becomes the ticket.

    Returns the numbers of generate's shards, one task each.
    """
    settings = Settings.from_environment()
    ticket = begin(job, options, settings)
    _write(opened.path, canonical.pretty(ticket.model_dump(mode="json")))
    store = open_store(ticket.root)
    read = rounds.read_round(store, ticket.loop, ticket.number)
    opened.metadata.update(
        store_uri=store.uri(rounds.round_prefix(ticket.loop, ticket.number)),
        loop=ticket.loop,
        round=ticket.number,
        seed=read.seed.label,
        epoch=ticket.epoch,
    )
    return list(range(read.recipe.generate.shards))


def run_stage(
    name: str, opened: Any, parents: Mapping[str, Any], out: Any, metrics: Any, launcher: str | None = None
) -> None:
    """Body of the components between begin and finish: run the stage, hand on its manifest, show its counts.

    `launcher` is the profile's as JSON. What a stage raises is kept in the round for finish, and raised again so that KFP may
    retry the task.
    """
    uris = {parent: _manifest_uri(artifact.path) for parent, artifact in parents.items()}
    given = LauncherConfig.model_validate_json(launcher) if launcher else None
    _run(name, opened, uris, out, metrics, launcher=given)


def run_shard(opened: Any, number: int, out: Any, metrics: Any) -> None:
    """Body of the component generate: one shard of the prompts."""
    from ratchet.generate.stage import run_shard

    _run("generate", opened, {}, out, metrics, lambda context: run_shard(context, number), part=f"shard {number}")


def run_merge(opened: Any, shards: Sequence[Any], out: Any, metrics: Any) -> None:
    """Body of the component merge: one artifact of the shards that the tasks before have handed on."""
    from ratchet.generate.merging import merge

    uris = [_manifest_uri(shard.path) for shard in shards]
    _run("generate", opened, {}, out, metrics, lambda context: merge(context, uris), part="merge")


def _run(
    name: str,
    opened: Any,
    parents: Mapping[str, str],
    out: Any,
    metrics: Any,
    work: Callable[[StageContext], Manifest] = run_step,
    part: str = "",
    launcher: LauncherConfig | None = None,
) -> None:
    ticket = Ticket.model_validate_json(Path(opened.path).read_bytes())
    with rounds.keeping_failure(ticket, name, part):
        _hand_on(run_ticket(name, ticket, parents, Settings.from_environment(), work, part, launcher), out, metrics)


def end_round(job: str, loop: str, round_report: Any, loop_report: Any) -> str:
    """Body of the exit task finish; returns how the round ended, for the UI. The outputs become its page and the loop's."""
    from ratchet.report.writing import pages_of_run

    settings = Settings.from_environment()
    try:
        end = finish(job, loop, settings)
        stopped = read_stopped(open_store(settings.root), loop)
        said = f"{end.state}: {end.reason}" + (f" -- {stopped.words(loop)}" if stopped else "")
    except RatchetError as error:
        said = f"UNKNOWN: {type(error).__name__}: {error}"
    for artifact, page in zip((round_report, loop_report), pages_of_run(settings, loop, job, said), strict=True):
        _write(artifact.path, page.content)
        artifact.metadata.update(store_uri=page.uri)
    return said


def _hand_on(manifest: Manifest, out: Any, metrics: Any) -> None:
    _write(out.path, canonical.pretty(manifest.model_dump(mode="json")))
    shown = {"store_uri": manifest.uri, "digest": manifest.content_digest, "rows": manifest.rows}
    out.metadata.update(manifest.counts | shown)
    for name, value in shown_metrics(manifest).items():
        metrics.log_metric(f"{manifest.stage}/{name}", float(value))
    metrics.log_metric(f"{manifest.stage}/seconds", sum(manifest.seconds.values()))


def shown_metrics(manifest: Manifest) -> dict[str, float]:
    """What the step's page shows: for verify and filter the few numbers that one looks for, of other stages all.

    Counts by skill, band and reason are in the manifest, MLflow and the report.
    """
    chosen = _CHOSEN.get(manifest.stage)
    return chosen(manifest) if chosen is not None else {**manifest.counts, **scalars(manifest.results)}


def _verify_metrics(manifest: Manifest) -> dict[str, float]:
    """Shares that passed, in all and by verifier; the worst kappa; audited precision beside the share of right answers."""
    results = manifest.results
    found = {**_but(manifest.counts, "reason_"), **scalars(results.get("all", {}), depth=1)}
    for one in results.get("said", ()):
        decided = one["passed"] + one["failed"]
        found |= {f"pass_share/{one['verifier']}": one["passed"] / decided} if decided else {}
    kappas = [one["kappa"] for one in results.get("disagreement", ()) if one["kappa"] is not None]
    found |= {"least_kappa": min(kappas)} if kappas else {}
    for one in (results.get("audit") or {}).get("verifiers", ()):
        found |= {
            f"{of}/{one['verifier']}": one[of]["share"]
            for of in ("precision", "base_rate")
            if one[of]["share"] is not None
        }
    return found


def _filter_metrics(manifest: Manifest) -> dict[str, float]:
    """What was kept and why the rest was not, and how many alarms were raised before training."""
    counts, alarms = manifest.counts, manifest.results.get("alarms", ())
    share = {"kept_share": counts["kept"] / counts["rows"]} if counts.get("rows") else {}
    return {**_but(counts, "completions_"), **share, "alarms": len(alarms)}


def _but(counts: Mapping[str, int], prefix: str) -> dict[str, float]:
    return {name: float(number) for name, number in counts.items() if not name.startswith(prefix)}


_CHOSEN: Mapping[str, Callable[[Manifest], dict[str, float]]] = {"verify": _verify_metrics, "filter": _filter_metrics}


def scalars(results: Mapping[str, Any], prefix: str = "", depth: int = 3) -> dict[str, float]:
    """The numbers in a stage's results, flattened to a/b/c, at most `depth` deep: what KFP and MLflow show as metrics."""
    found: dict[str, float] = {}
    for name, value in results.items():
        if isinstance(value, bool):
            continue
        if isinstance(value, int | float):
            found[f"{prefix}{name}"] = float(value)
        elif isinstance(value, Mapping) and depth > 1:
            found.update(scalars(value, f"{prefix}{name}/", depth - 1))
    return found


def _manifest_uri(path: str) -> str:
    return parse_manifest(Path(path).read_bytes(), path, None, None).uri


def _write(path: str, data: bytes) -> None:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
