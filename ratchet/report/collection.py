"""What a round's collection was, from the generate stage's manifest: numbers as they stand there, under names for people.

Rates are in 0..1. What an older manifest does not say is empty or None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar

from ratchet.artifacts import Manifest
from ratchet.records import Record

V = TypeVar("V", bound=Record)

ENGINES: Mapping[str, str] = {
    "transformers": "transformers, in the stage's process",
    "vllm": "vLLM, in the stage's process",
    "endpoint": "an OpenAI-compatible server",
}


class StrategyView(Record):
    """One strategy. `asked` is its share of the prompts by the recipe's weights, `share` that of the completions, without
    negatives."""

    name: str
    asked: float | None
    share: float | None
    completions: int
    clipped: int


class CurvePoint(Record):
    """Reward-Pass@2 at one temperature, with its standard error over `prompts` prompts."""

    temperature: float
    pass_at_2: float
    se: float
    prompts: int


class TemperatureView(Record):
    """The temperature that the round chose, and the curve that it chose from."""

    chosen: float
    curve: tuple[CurvePoint, ...] = ()


class ProbeView(Record):
    """A probe of the seed on validation prompts: how many were asked, got no answer, or could not be judged."""

    name: str
    asked: int
    unanswered: int
    unscored: int


class CellView(Record):
    """A skill and difficulty band (None: no difficulty): what the probe found, what was asked for, what came.

    `probed` and `right` count validation prompts, `asked` and `came` pool prompts; `weight` is against the pool's share.
    """

    skill: str
    band: int | None
    probed: int
    right: float
    weight: float
    asked: int
    came: int

    @property
    def accuracy(self) -> float | None:
        return self.right / self.probed if self.probed else None


class Words(Record):
    """A piece of a text; `marked` where it was changed."""

    text: str
    marked: bool = False


class Said(Record):
    """An answer, a question or a message, and who said it."""

    who: str
    text: tuple[Words, ...]
    kind: Literal["right", "wrong", "plain"] = "plain"


class SceneView(Record):
    """Pictures (data URIs) under one name; `pixels` where they are so small that each pixel is shown as a square."""

    name: str
    pictures: tuple[str, ...]
    pixels: bool = False


class Specimen(Record):
    """One row of the collection, shown whole: a negative, a guided answer, or a question that was made.

    `about` are a kind's parameters or a group's reason; pictures are data URIs.
    """

    family: Literal["negative", "guided", "question"]
    kind: str
    about: str
    skill: str
    question: str
    scenes: tuple[SceneView, ...]
    said: tuple[Said, ...]


class CollectionView(Record):
    """How one round collected. `failed` prompts got no answer, `refused` ones the strategy gave up; `reasons` of both."""

    engine: str | None
    models: dict[str, int] = {}
    prompts: int | None = None
    completions: int | None = None
    clipped: int | None = None
    failed: int | None = None
    refused: int | None = None
    strategies: tuple[StrategyView, ...] = ()
    negatives: dict[str, int] = {}
    reasons: dict[str, int] = {}
    temperature: TemperatureView | None = None
    cells: tuple[CellView, ...] = ()
    probes: tuple[ProbeView, ...] = ()
    specimens: tuple[Specimen, ...] = ()


def collection_view(manifest: Manifest, specimens: Iterable[Specimen] = ()) -> CollectionView:
    """The view of a generate stage's manifest."""
    counts, results = manifest.counts, manifest.results
    return CollectionView(
        engine=_engine(manifest.config.get("engine")),
        models=results.get("models", {}),
        prompts=counts.get("prompts"),
        completions=counts.get("completions"),
        clipped=counts.get("clipped"),
        failed=counts.get("errors"),
        refused=counts.get("refused"),
        strategies=tuple(_strategies(manifest)),
        negatives=results.get("negatives", {}),
        reasons=results.get("reasons", {}),
        temperature=_temperature(results.get("temperature")),
        cells=tuple(_picked(CellView, cell) for cell in results.get("cells", ())),
        probes=tuple(_picked(ProbeView, probe) for probe in results.get("probes", ())),
        specimens=tuple(specimens),
    )


def skill_weights(cells: Iterable[CellView]) -> dict[str, float]:
    """Each skill's weight over its bands: their mean by share of the pool, which is what asked / weight is in proportion to.

    Where nothing was asked of a skill, the plain mean.
    """
    by_skill: dict[str, list[CellView]] = {}
    for cell in cells:
        by_skill.setdefault(cell.skill, []).append(cell)
    return {skill: _mean_weight(some) for skill, some in by_skill.items()}


def bands(cells: Iterable[CellView]) -> list[int | None]:
    """The difficulty bands that occur, easy ones first, none last."""
    found = {cell.band for cell in cells}
    return [*sorted(band for band in found if band is not None), *([None] if None in found else [])]


def _mean_weight(cells: list[CellView]) -> float:
    pool = sum(cell.asked / cell.weight for cell in cells if cell.weight > 0)
    if not pool:
        return sum(cell.weight for cell in cells) / len(cells)
    return sum(cell.asked for cell in cells if cell.weight > 0) / pool


def _engine(config: Mapping[str, Any] | None) -> str | None:
    if config is None:
        return None
    kind = str(config.get("kind", ""))
    said = ENGINES.get(kind, kind)
    if kind != "endpoint":
        return said
    runs = "this round's seed" if config.get("serves") == "seed" else "another model"
    return f"{said} that runs {runs}"


def _strategies(manifest: Manifest) -> Iterable[StrategyView]:
    found: Mapping[str, Mapping[str, int]] = manifest.results.get("strategies", {})
    asked = _weights(manifest.config.get("strategy"))
    total = sum(one.get("completions", 0) for one in found.values())
    for name, one in found.items():
        made = one.get("completions", 0)
        yield StrategyView(
            name=name,
            asked=asked.get(name),
            share=made / total if total else None,
            completions=made,
            clipped=one.get("clipped", 0),
        )


def _weights(mix: object) -> dict[str, float]:
    """Shares of the recipe's strategies by name."""
    if not isinstance(mix, list):
        return {}
    weights: dict[str, float] = {}
    for one in mix:
        weights[one["name"]] = weights.get(one["name"], 0.0) + one["weight"]
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _temperature(found: Mapping[str, Any] | None) -> TemperatureView | None:
    if not found:
        return None
    curve = sorted((_picked(CurvePoint, one) for one in found.get("curve", ())), key=lambda one: one.temperature)
    return TemperatureView(chosen=found["chosen"], curve=tuple(curve))


def _picked(view: type[V], found: Mapping[str, Any]) -> V:
    """The view's fields out of a mapping that may hold more."""
    return view(**{name: found[name] for name in view.model_fields})
