"""How often a recipe's verifiers prefer the better of two answers, on VL-RewardBench: `ratchet evaluate verifiers`.

Any verifier can be measured: a rubric or a reward model scores both answers, and the higher score is its choice; `pairwise`
compares them itself, in both orders. Equal scores choose none: half right, as a coin would be, and counted. Where either answer
has no score, the verifier has no opinion of the pair: in no share, and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from ratchet import canonical, models, sources
from ratchet.artifacts import ModelRef
from ratchet.errors import RecipeError
from ratchet.evaluate.counts import share
from ratchet.evaluate.suites.base import Item, SuiteFigures
from ratchet.evaluate.suites.catalogue import suite as suite_of
from ratchet.evaluate.suites.preparing import Origin, Prepared, prepare
from ratchet.evaluate.suites.vl_rewardbench import BETTER, ORDERS, QUERY, WORSE
from ratchet.progress import Progress, silent
from ratchet.recipe import EndpointConfig, JudgeConfig, SuiteConfig, VerifyConfig
from ratchet.recipe.judges import SEED
from ratchet.recipe.verifiers import OWN
from ratchet.records import Completion, Group, Message, Prompt, Sampling, Verdict
from ratchet.registry.base import Registry
from ratchet.store import Store
from ratchet.verify import Verifier
from ratchet.verify.panel import panel_of
from ratchet.verify.tools import Tools

SUITE = "vl_rewardbench"
AT_ONCE = 64
EDGE = 1e-9
"""Scores nearer than this are the same."""
_SHOWN = Sampling(strategy="benchmark", seed=0, temperature=0.0, max_new_tokens=1)


@dataclass(frozen=True)
class PreferenceOptions:
    """Whose verifiers, on which files. `seed` is the model that stands for the seed of a round, where a judge is that."""

    verify: VerifyConfig
    suite: SuiteConfig
    seed: str | None = None


def measure(
    store: Store, options: PreferenceOptions, registry: Registry | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Figures of each verifier of the recipe, on the same pairs.

    Raises RecipeError, FileProblem, ModelError and VerifierUnavailable.
    """
    names = [one.called for one in options.verify.chosen if one.name != OWN]
    if not names:
        raise RecipeError("the recipe names no verifiers of its own (verify.verifiers); give one that does (--recipe).")
    prepared = prepare(store, Origin(suite_of(SUITE), options.suite))
    tools = _tools(store, options, prepared, registry)
    try:
        panel = panel_of(options.verify, tools)
        found = {}
        for done, name in enumerate(names):
            progress(done, len(names), "verifiers", name)
            found[name] = {
                "version": panel.verifiers[name].version,
                **preferences(prepared.artifact.rows(), panel.verifiers[name]),
            }
        return {"suite": SUITE, "digest": prepared.digest, "verifiers": found}
    finally:
        tools.close()


def _tools(store: Store, options: PreferenceOptions, prepared: Prepared, registry: Registry | None) -> Tools:
    """The recipe's models, copied to the store: an alias may move, these do not."""

    def pinned(source: str) -> ModelRef:
        return models.upload(store, sources.fetch_model(source, store, registry)[0], "beside")

    config = options.verify
    asked = {one.called: getattr(one, "judge", None) for one in config.chosen}
    for name, judge in asked.items():
        known = config.judges.get(judge or "", JudgeConfig())
        served = isinstance(known.engine, EndpointConfig)
        if judge is not None and known.model == SEED and not served and options.seed is None:
            raise RecipeError(
                f"verifier {name} asks judge {judge!r}, the seed of a round, and there is no round here; say which model that is (--seed)."
            )
    nobody = ModelRef(name=SEED, uri=store.uri("models/none"), digest="0" * 64)
    seed = nobody if options.seed is None else pinned(options.seed)
    return Tools(store, prepared.bank, seed, config.judges, {one: pinned(one) for one in config.sources()}, draw=0)


class Preference(NamedTuple):
    """Of one pair: 1 where the better answer has the higher score, 0.5 where both have the same, None where one has none."""

    group: str
    right: float | None


def preferences(items: Iterable[Item], verifier: Verifier) -> SuiteFigures:
    """`accuracy`, `ties` and pairs with no opinion, of all pairs, of each group, and the plain mean of the groups (`macro`)."""
    found = [
        _preferred(group.prompt.skill, verdicts)
        for some in _batches(pairs_of(items))
        for group, verdicts in zip(some, verifier.verify(some), strict=True)
    ]
    groups: dict[str, list[Preference]] = defaultdict(list)
    for one in found:
        groups[one.group].append(one)
    parts = {name: _figures(part) for name, part in sorted(groups.items())}
    known = [part["accuracy"] for part in parts.values() if isinstance(part["accuracy"], float)]
    return {**_figures(found), "macro": share(sum(known), len(known)), "categories": parts}


def pairs_of(items: Iterable[Item]) -> Iterator[Group]:
    """Each pair of the suite once, as a group of two answers to the question, the better one first."""
    for item in items:
        if not item.key.endswith(f"#{ORDERS[0]}"):
            continue
        facts = canonical.loads(item.facts.encode())
        asked = item.prompt
        prompt = Prompt.make(
            messages=[Message(role="user", content=facts[QUERY])],
            images=asked.images,
            skill=asked.skill,
            source=asked.source,
            split_key=asked.split_key,
        )
        answers = (_answer(index, facts[name]) for index, name in enumerate((BETTER, WORSE)))
        yield Group(prompt=prompt, completions=tuple(answers))


def _batches(groups: Iterator[Group]) -> Iterator[list[Group]]:
    while some := list(islice(groups, AT_ONCE)):
        yield some


def _answer(index: int, text: str) -> Completion:
    return Completion(
        index=index, text=text, finish_reason="stop", sampling=_SHOWN, n_tokens=len(text.split()), model="benchmark"
    )


def _preferred(group: str, verdicts: Sequence[Verdict]) -> Preference:
    better, worse = (verdict.score for verdict in verdicts)
    if better is None or worse is None:
        return Preference(group, None)
    return Preference(group, 0.5 if abs(better - worse) < EDGE else float(better > worse))


def _figures(found: Sequence[Preference]) -> SuiteFigures:
    known = [one.right for one in found if one.right is not None]
    return {
        "accuracy": share(sum(known), len(known)),
        "ties": share(known.count(0.5), len(known)),
        "pairs": len(found),
        "unscored": len(found) - len(known),
    }
