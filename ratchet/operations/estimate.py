"""What a round is likely to take, from the loop's past rounds that sampled and trained the same way.

What a stage took is carried over in proportion to what it has to do, where the recipe says how much that is. Nothing is made up:
without such rounds there are no hours, only what the recipe asks for.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from ratchet import rounds
from ratchet.errors import ArtifactError, RoundError
from ratchet.operations.prices import price_of_hour
from ratchet.profile import Profile
from ratchet.recipe import Recipe
from ratchet.records import Record
from ratchet.rounds import Round
from ratchet.store import Store
from ratchet.usage import COSTLY, devices_of, uses

LATEST = 20
"""Past rounds that are looked at: older ones ran on older code and machines."""


class Range(Record):
    """Least, middle and most of what was seen."""

    low: float
    middle: float
    high: float

    def times(self, factor: float) -> Range:
        return Range(low=self.low * factor, middle=self.middle * factor, high=self.high * factor)


class StageEstimate(Record):
    """`seconds` are summed over a stage's tasks and their retries; `devices` are those of each task; None is not known."""

    stage: str
    rounds: int
    seconds: Range | None
    devices: int
    hours: Range | None
    price: Range | None


class Estimate(Record):
    """What a round is likely to take. `rounds` it rests on, `alike` of them with this very recipe; `asks` is what the recipe
    says of its size; `unread` past rounds say nothing, as another version wrote them or they are damaged."""

    loop: str
    recipe: str
    profile: str
    device: str
    rounds: int
    alike: int
    unread: int = 0
    stages: tuple[StageEstimate, ...]
    hours: Range | None
    price: Range | None
    currency: str
    asks: dict[str, float]

    def words(self) -> list[str]:
        """What it rests on, and what it says."""
        size = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in self.asks.items())
        lines = [f"a round of loop {self.loop} with recipe {self.recipe} asks for: {size}"]
        if self.unread:
            lines.append(f"{self.unread} past rounds are left out: another version wrote them, or they are damaged")
        if not self.rounds:
            return [
                *lines,
                "no past round of the loop trained and sampled like it, so its time and price are not known; "
                "`ratchet train --dry-run` measures the steps of a round's training.",
            ]
        lines.append(f"from {self.rounds} past rounds like it, {self.alike} of them with this very recipe")
        if self.hours is not None:
            lines.append(f"{self.hours.low:.3g} to {self.hours.high:.3g} hours of a {self.device}")
        if self.price is None:
            lines.append(
                "the price is not known: the profile has no prices for all that it takes, or a stage was never finished"
            )
        else:
            lines.append(f"{self.price.low:.2f} to {self.price.high:.2f} {self.currency}")
        return lines


def estimate(store: Store, loop: str, recipe: Recipe, profile: Profile) -> Estimate:
    """Of one round of the loop with this recipe in this profile."""
    past, unread = past_rounds(store, loop, recipe)
    devices = devices_of(profile)
    took = [(one.recipe, seconds) for one, seconds in past]
    stages = tuple(
        _stage(name, took, recipe, devices.by_stage.get(name, 0), price_of_hour(profile, name))
        for name in (*COSTLY, "promote")
    )
    return Estimate(
        loop=loop,
        recipe=recipe.name,
        profile=profile.name,
        device=devices.kind,
        rounds=len(past),
        alike=sum(one.recipe.digest == recipe.digest for one, _ in past),
        unread=unread,
        stages=stages,
        hours=_sum([one.hours for one in stages if one.devices]),
        price=_sum([one.price for one in stages]),
        currency=profile.prices.currency,
        asks=asks(recipe),
    )


def past_rounds(store: Store, loop: str, recipe: Recipe) -> tuple[list[tuple[Round, dict[str, float]]], int]:
    """The loop's latest rounds that trained by the same method and sampled with the same engine, with the seconds that their stages
    took; and how many of the latest cannot be read. What an old round says must not keep a new one from beginning."""
    found, unread = [], 0
    for number in rounds.numbers(store, loop)[-LATEST:]:
        try:
            one = rounds.read_round(store, loop, number)
            if _kind(one.recipe) == _kind(recipe):
                found.append((one, seconds_of(store, one)))
        except (RoundError, ArtifactError):
            unread += 1
    return found, unread


def seconds_of(store: Store, opened: Round) -> dict[str, float]:
    """Seconds that each finished stage took, all tries together; for rounds that nobody counted what its artifact says."""
    counted: dict[str, float] = {}
    for one in uses(store, opened.prefix):
        counted[one.stage] = counted.get(one.stage, 0.0) + one.seconds
    done = rounds.manifests(store, opened.loop, opened.number)
    return {name: counted.get(name) or sum(manifest.seconds.values()) for name, manifest in done.items()}


def asks(recipe: Recipe) -> dict[str, float]:
    """What the recipe says of a round's size, as far as it does."""
    prompts = recipe.generate.prompts or recipe.prompts.pool
    found: dict[str, float | None] = {
        "prompts": prompts,
        "completions": None if recipe.generate.plain_k is None else prompts * recipe.generate.plain_k,
        "train_steps": recipe.train.max_steps,
        "train_passes": prompts * recipe.train.epochs if recipe.train.max_steps is None else None,
        "holdout_items": recipe.prompts.holdout,
    }
    return {name: float(value) for name, value in found.items() if value is not None}


_SIZE: Mapping[str, tuple[str, ...]] = {
    "generate": ("completions", "prompts"),
    "verify": ("completions", "prompts"),
    "filter": ("completions", "prompts"),
    "train": ("train_steps", "train_passes"),
    "evaluate": ("holdout_items",),
}
"""What a stage's time grows with: the first of these that both recipes say."""


def _stage(
    name: str, past: Sequence[tuple[Recipe, dict[str, float]]], recipe: Recipe, devices: int, price: float | None
) -> StageEstimate:
    took = [seconds[name] * _more(name, then, recipe) for then, seconds in past if name in seconds]
    found = Range(low=min(took), middle=statistics.median(took), high=max(took)) if took else None
    return StageEstimate(
        stage=name,
        rounds=len(took),
        seconds=found,
        devices=devices,
        hours=None if found is None else found.times(devices / 3600),
        price=None if found is None or price is None else found.times(price / 3600),
    )


def _more(stage: str, then: Recipe, now: Recipe) -> float:
    """How much more a stage has to do than it had; 1 where the recipes do not say."""
    before, after = asks(then), asks(now)
    size = next((size for size in _SIZE.get(stage, ()) if size in before and size in after), None)
    return 1.0 if size is None else after[size] / before[size]


def _kind(recipe: Recipe) -> tuple[str, str]:
    return recipe.train.method, recipe.generate.engine.kind


def _sum(ranges: Sequence[Range | None]) -> Range | None:
    """Of all stages; None where one is not known: a part would be taken for the whole."""
    known = [one for one in ranges if one is not None]
    if not known or len(known) < len(ranges):
        return None
    return Range(
        low=sum(one.low for one in known),
        middle=sum(one.middle for one in known),
        high=sum(one.high for one in known),
    )
