"""Checks of the machine that a stage runs on: its disk, shared memory, GPUs, variables and libraries."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import ratchet
from ratchet.errors import RatchetError
from ratchet.preflight.checking import Check
from ratchet.preflight.context import Context
from ratchet.preflight.finding import Finding, fail, ok, skipped, warn, worst
from ratchet.profile.quantities import bytes_of

GIB = 2**30
LEAST_DISK = GIB // 4
"""Prompt sets, logs and shards on their way to the store."""
TIMES_THE_MODEL = {"generate": 1.2, "evaluate": 2.4, "verify": 1.2, "filter": 1.2, "train": 4.0}
"""The seed; for evaluate also the candidate; for train also what is saved, twice while it is written."""
LEAST_SHM = GIB
_NVIDIA, _AMD = "nvidia", "amd"


def disk(context: Context) -> Finding:
    """Free space below /tmp and HF_HOME, against the model that the stages fetch."""
    size, whose = _model_bytes(context)
    stage = context.asked.stage
    times = TIMES_THE_MODEL.get(stage, 0.0) if context.asked.inside else max(TIMES_THE_MODEL.values())
    needed = int(size * times) + LEAST_DISK
    env = context.environment
    cache = env.get("RATCHET_CACHE")
    places = [Path(cache) if cache else context.machine.temporary]
    if context.recipe is not None and any(one.startswith("hf://") for one in context.recipe.sources()):
        places.append(Path(env.get("HF_HOME") or Path(env.get("HOME", "/tmp")) / ".cache" / "huggingface"))
    reason = (
        f"{times:g} x {size / GIB:.2f} GiB of {whose}, and {LEAST_DISK / GIB:g} GiB" if size else "the least of a stage"
    )
    return worst([_room(place, needed, reason) for place in places])


def _room(place: Path, needed: int, reason: str) -> Finding:
    there = next(one for one in (place, *place.parents) if one.exists())
    free = shutil.disk_usage(there).free
    words = f"{place} has {free / GIB:.1f} GiB free, {needed / GIB:.1f} GiB are needed ({reason})"
    fix = "Give the stage's pod more room (resources.STAGE.scratch in the profile), or put RATCHET_CACHE on a larger volume."
    if free < needed:
        return fail(words, fix)
    if not os.access(there, os.W_OK):
        return fail(
            f"{there} cannot be written to by user {os.getuid()}", "Mount an emptyDir there, or name another folder."
        )
    return warn(words, fix) if free < 1.2 * needed else ok(words)


def _model_bytes(context: Context) -> tuple[int, str]:
    """Bytes of the loop's champion, as its card lists them; 0 where there is none to be seen."""
    from ratchet import models
    from ratchet.begin.stage import as_ref

    if context.settings is None or context.asked.loop is None:
        return 0, ""
    try:
        champion = context.registry.champion(context.asked.loop)
        if champion is None:
            return 0, ""
        return sum(file.size for file in models.read_card(context.store, as_ref(champion)).files), "the champion"
    except RatchetError:
        # The checks champion, store and mlflow tell that.
        return 0, ""


def shared_memory(context: Context) -> Finding:
    """/dev/shm, through which torch's and vLLM's processes hand tensors."""
    place, asks = context.machine.shm, context.where.resources_of(context.asked.stage)
    wanted = bytes_of(asks.shared_memory) if asks.shared_memory else LEAST_SHM
    if not place.exists():
        return fail(f"there is no {place}", "Mount a memory emptyDir there (resources.STAGE.shm in the profile).")
    size = shutil.disk_usage(place).total
    words = f"{place} has {size / GIB:.2f} GiB, {wanted / GIB:.2f} GiB are wanted"
    fix = "Set resources.STAGE.shm in the profile and compile again: a container's own are 64 MiB."
    # A volume's size is rounded to pages.
    if size >= 0.99 * wanted:
        return ok(words)
    return fail(words, fix) if asks.gpus or asks.shm is not None else warn(words, fix)


def gpus(context: Context) -> Finding:
    """As many GPUs in this pod as its stage asks for."""
    asks = context.where.resources_of(context.asked.stage)
    devices = context.machine.devices
    amd = asks.gpu.startswith(_AMD)
    pattern = "dri/renderD*" if amd else "nvidia[0-9]*"
    there = len(list(devices.glob(pattern)))
    words = f"{there} of {asks.gpus} {asks.gpu} in this pod"
    if "mig" in asks.gpu and there:
        return ok(f"{words} (MIG slices share a device)")
    if there < asks.gpus:
        return fail(
            words,
            "Look whether the node's device plugin and container runtime give the pod its GPU (`kubectl describe pod`), "
            "and whether the profile's gpu names the right resource.",
        )
    return ok(words)


def variables(context: Context) -> Finding:
    """That what the profile takes from secrets and config maps has become variables of this pod."""
    profile, env = context.where, context.environment
    named = {
        variable: name
        for kind in (profile.secrets, profile.config_maps)
        for name, keys in kind.items()
        for variable in keys.values()
    }
    missing = [f"{variable} (from {name})" for variable, name in sorted(named.items()) if not env.get(variable)]
    if missing:
        return fail(
            f"not set in this pod, or empty: {', '.join(missing)}",
            "Correct the secret or config map, or compile again with this profile.",
        )
    return ok(f"{len(named)} variables from secrets and config maps") if named else skipped("the profile names none")


def versions(context: Context) -> Finding:
    """This ratchet against the one that compiled the pipeline, and the installed libraries against what this one was made for."""
    if context.version is not None and context.version != ratchet.__version__:
        return fail(
            f"the pipeline was compiled by ratchet {context.version}, here is {ratchet.__version__}",
            "Compile it again with the image's version, or name images of the pipeline's version in the profile.",
        )
    name = context.machine.distribution
    try:
        wanted, fields = metadata.requires(name) or [], metadata.metadata(name)
        # Where importlib_metadata was imported (by MLflow), its finder answers, and raises for a field that is not there.
        python = next((fields[one] for one in fields if one == "Requires-Python"), None)
    except metadata.PackageNotFoundError:
        return warn(f"{name} is not installed as a package, so its requirements are not known", "`pip install` it.")
    wrong, missing = unmet(wanted, python)
    if wrong:
        return fail(f"not what {name} was made for: {', '.join(wrong)}", "Build the image again from its lock file.")
    if missing:
        return warn(f"not installed here: {', '.join(missing)}", "Build the image again, if a stage of it needs them.")
    return ok(f"ratchet {ratchet.__version__}, Python {platform.python_version()}, libraries as it was made for")


def unmet(requirements: Iterable[str], python: str | None) -> tuple[list[str], list[str]]:
    """Requirements that what is installed does not meet, as "numpy 1.0 (wants <1)", and those of which nothing is installed.

    Those of extras count where they are installed: a dependency set has not all of them.
    """
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    wrong, missing = [], []
    if python and platform.python_version() not in SpecifierSet(python, prereleases=True):
        wrong.append(f"Python {platform.python_version()} (wants {python})")
    for one in map(Requirement, requirements):
        extra = one.marker is not None and "extra" in str(one.marker)
        if one.marker is not None and not extra and not one.marker.evaluate():
            continue
        try:
            found = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            missing += [] if extra else [one.name]
            continue
        if not one.specifier.contains(found, prereleases=True):
            wrong.append(f"{one.name} {found} (wants {one.specifier})")
    return wrong, missing


_CHAMPION = ("ratchet.begin.stage",)
CHECKS = (
    Check("disk", "free space for models", disk, ("here",), imports=_CHAMPION, begins=True),
    Check("shm", "shared memory for torch", shared_memory, ("profile", "pod", "gpu")),
    Check("gpu", "GPUs in this pod", gpus, ("profile", "pod", "gpu")),
    Check("variables", "variables from secrets and config maps", variables, ("profile", "pod"), begins=True),
    Check("versions", "ratchet, Python and libraries", versions, imports=("packaging.requirements",), begins=True),
)
