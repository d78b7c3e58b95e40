"""A check, and what it needs to have anything to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ratchet.preflight.context import Context
from ratchet.preflight.finding import Finding
from ratchet.settings import STORE_REGISTRY

Need = Literal[
    "settings",
    "s3",
    "mlflow",
    "loop",
    "recipe",
    "sampler",
    "judges",
    "profile",
    "cluster",
    "pod",
    "gpu",
    "queue",
    "trainjob",
    "here",
]
LIMIT_SECONDS = 30.0


@dataclass(frozen=True)
class Check:
    """`what` it looks at, in a few words. It runs when all it `needs` is there and no check named in `after` has failed.

    `imports` are loaded before its time begins. `begins`: begin's pod can know it, and asks it as the round's first act.
    """

    name: str
    what: str
    run: Callable[[Context], Finding]
    needs: tuple[Need, ...] = ()
    after: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    begins: bool = False
    limit: float = LIMIT_SECONDS

    def lacking(self, context: Context) -> str | None:
        """Why there is nothing to look at, None where there is."""
        return next((why for need in self.needs if (why := NEEDS[need](context)) is not None), None)


def _settings(context: Context) -> str | None:
    return None if context.settings is not None else "store and registry are not named: see settings"


def _s3(context: Context) -> str | None:
    if context.settings is None:
        return _settings(context)
    return None if context.settings.root.startswith("s3://") else "the store is a folder"


def _mlflow(context: Context) -> str | None:
    if context.settings is None:
        return _settings(context)
    return "the registry is kept in the store" if context.settings.registry == STORE_REGISTRY else None


def _loop(context: Context) -> str | None:
    return None if context.asked.loop is not None else "no loop was named (--loop)"


def _recipe(context: Context) -> str | None:
    if "recipe" in context.problems:
        return "the recipe cannot be read: see recipe"
    return None if context.recipe is not None else "no recipe was named (--recipe)"


def _sampler(context: Context) -> str | None:
    from ratchet.preflight.endpoints import SAMPLER, asked

    return _recipe(context) or _no_server([who for who, _ in asked(context.wanted) if who == SAMPLER])


def _judges(context: Context) -> str | None:
    from ratchet.preflight.endpoints import SAMPLER, asked

    return _recipe(context) or _no_server([who for who, _ in asked(context.wanted) if who != SAMPLER])


def _no_server(found: Sequence[str]) -> str | None:
    return None if found else "the recipe asks no server for this"


def _profile(context: Context) -> str | None:
    return None if context.profile is not None else "the profile cannot be read: see profile"


def _cluster(context: Context) -> str | None:
    return None if context.on_cluster else "the profile runs on this machine, not in a cluster"


def _pod(context: Context) -> str | None:
    return None if context.asked.inside else "this is no pod of the round (--in-cluster)"


def _gpu(context: Context) -> str | None:
    if (missing := _profile(context)) is not None:
        return missing
    asks = context.where.resources_of(context.asked.stage).gpus
    return None if asks else f"stage {context.asked.stage} asks for no GPU in this profile"


def _queue(context: Context) -> str | None:
    from ratchet.preflight.placing import queues

    return _profile(context) or (None if queues(context.where) else "the profile names no queue of Kueue")


def _trainjob(context: Context) -> str | None:
    if (missing := _profile(context)) is not None:
        return missing
    kind = context.where.launcher.kind
    return None if kind == "trainjob" else f"training's launcher is {kind}, no TrainJob"


def _here(context: Context) -> str | None:
    """Where the stages' machine is this one: in a pod, or with a profile of this machine."""
    inside = context.asked.inside or not context.on_cluster
    return None if inside else "stages run on other machines than this one (--in-cluster in a pod looks)"


NEEDS: Mapping[Need, Callable[[Context], str | None]] = {
    "settings": _settings,
    "s3": _s3,
    "mlflow": _mlflow,
    "loop": _loop,
    "recipe": _recipe,
    "sampler": _sampler,
    "judges": _judges,
    "profile": _profile,
    "cluster": _cluster,
    "pod": _pod,
    "gpu": _gpu,
    "queue": _queue,
    "trainjob": _trainjob,
    "here": _here,
}
