"""What a round decides before it collects: the temperature, and how much of each skill and difficulty band.

It looks at `validation` only. The first shard that is done stores it; all others take what is stored, so that shards on
different machines agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ratchet import canonical
from ratchet.artifacts import Artifact, ImageBank
from ratchet.errors import Conflict, NotFound
from ratchet.generate import tune, weakness
from ratchet.generate.choosing import Cell, Choice, Weights
from ratchet.generate.probe import Probed, drawn, open_validation
from ratchet.generate.strategies import Tools
from ratchet.generate.tune import CurvePoint
from ratchet.generate.weakness import CellRate
from ratchet.recipe import GenerateConfig, WeaknessConfig
from ratchet.records import Prompt, Record
from ratchet.stage import StageContext
from ratchet.weakness.keeping import keep, last_of
from ratchet.weakness.report import order

PLAN_FILE = "plan.json"


class Plan(Record):
    """What was decided, and on what grounds. Empty where the recipe leaves nothing to decide.

    `reported` are the prompts of an earlier round's report, where that stood in for a probe.
    """

    temperature: float | None = None
    curve: tuple[CurvePoint, ...] = ()
    bands: int | None = None
    cells: tuple[CellRate, ...] = ()
    probes: tuple[Probed, ...] = ()
    reported: int | None = None

    def weights(self) -> Weights | None:
        """How much to take of each cell; None: evenly."""
        if self.bands is None:
            return None
        return Weights(self.bands, {one.cell: one.weight for one in self.cells})

    def applied(self, config: GenerateConfig) -> GenerateConfig:
        """The stage's configuration with what was decided."""
        return config if self.temperature is None else config.model_copy(update={"temperature": self.temperature})

    def told(self, choice: Choice) -> dict[str, Any]:
        """What the manifest says of the plan and of what came of it. Nothing where nothing was decided."""
        said: dict[str, Any] = {}
        if self.temperature is not None:
            said["temperature"] = {"chosen": self.temperature, "curve": [p.model_dump() for p in self.curve]}
        if self.bands is not None:
            said["cells"] = self._cells(choice)
        if self.probes:
            said["probes"] = [one.model_dump() for one in self.probes]
        if self.reported is not None:
            said["reported"] = self.reported
        return said

    def _cells(self, choice: Choice) -> list[dict[str, Any]]:
        """The probe's cells and the pool's, each with what was asked of it and what came."""
        known = {one.cell: one for one in self.cells}
        cells: set[Cell] = {*known, *choice.asked}
        return [
            {
                "skill": cell[0],
                "band": cell[1],
                "probed": known[cell].probed if cell in known else 0,
                "right": known[cell].right if cell in known else 0,
                "weight": known[cell].weight if cell in known else 1.0,
                "asked": choice.asked.get(cell, 0),
                "came": choice.came.get(cell, 0),
            }
            for cell in sorted(cells, key=order)
        ]


def plan_of(context: StageContext, tools: Callable[[ImageBank], Tools]) -> Plan:
    """This round's plan: stored already, or made now by probing the seed on `validation`, and then stored.

    Where the recipe leaves nothing to decide it is empty, and no engine starts. Raises SamplingError when the probe shows
    nothing: no validation split, too many prompts without an answer, or none that a verifier can judge.
    """
    config: GenerateConfig = context.config
    if config.tune is None and config.weakness is None:
        return Plan()
    stored = _stored(context)
    if stored is not None:
        return stored
    with context.clock("probe"):
        made = _made(context, config, tools)
    context.check_lease()
    data = canonical.pretty(made.model_dump(mode="json"))
    try:
        context.store.put_if(f"{context.prefix}/{PLAN_FILE}", data, absent=True)
    except Conflict:
        # Another shard was first. Its probe may have run on another machine, so what it found is what counts.
        stored = _stored(context)
        if stored is None:
            raise
        return stored
    return made


def _stored(context: StageContext) -> Plan | None:
    try:
        return Plan.model_validate_json(context.store.get(f"{context.prefix}/{PLAN_FILE}"))
    except NotFound:
        return None


def _made(context: StageContext, config: GenerateConfig, tools: Callable[[ImageBank], Tools]) -> Plan:
    validation = open_validation(context, "tune" if config.tune is not None else "weakness")
    with_bank = tools(ImageBank(context.store, validation.manifest.packs))
    plan = Plan()
    if config.tune is not None:
        prompts = drawn(validation, config.tune.prompts, f"{context.round.salt}/tune")
        curve, went = tune.measured(prompts, config.tune, with_bank, context.progress)
        plan = Plan(temperature=tune.best(curve), curve=curve, probes=(went,))
    if config.weakness is not None:
        plan = plan.model_copy(update=_weighed(context, config.weakness, validation, with_bank, plan.probes))
    return plan


def _weighed(
    context: StageContext,
    config: WeaknessConfig,
    validation: Artifact[Prompt],
    tools: Tools,
    probes: tuple[Probed, ...],
) -> dict[str, Any]:
    """What the plan says of weaknesses: from the report of an earlier round, or from a probe, whose report is kept."""
    known = last_of(context.store, context.round, config.bands) if config.source == "last" else None
    if known is not None:
        return {"bands": config.bands, "cells": weakness.weights(known, config), "reported": known.asked}
    taken, asked = _taken(context, validation, config.probe)
    tally, went = weakness.measured(taken, asked, config, tools, context.progress)
    context.check_lease()
    found = tally.report(context.round.seed, context.round.prompts)
    found = keep(context.store, context.round.prefix, found, config.probe)
    return {"bands": config.bands, "cells": weakness.weights(found, config), "probes": (*probes, went)}


def _taken(context: StageContext, validation: Artifact[Prompt], most: int | None) -> tuple[Iterable[Prompt], int]:
    """The prompts that the weakness probe asks, and how many they are. All of a split are read as they are needed."""
    if most is None:
        return validation.rows(), validation.manifest.rows
    prompts = drawn(validation, most, f"{context.round.salt}/weakness")
    return prompts, len(prompts)
