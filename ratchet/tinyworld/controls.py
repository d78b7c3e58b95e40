"""The demo's control arms: what else could explain that the champion is better than the seed?

Each arm is trained by the same stages as a round, beside the rounds, in a process of its own. It spends none of the
gate's error and is never registered.

    no_verifier   the first sample of every prompt, right or wrong: checking must matter
    labels        the seed's own labelled rows again, for as many SFT visits as the champion's rounds: more training must not
    gold          the pool's true answers: the upper bound. A rule verifier knows what a labeller knows, so a verified
                  round can come near this arm, not above what it teaches
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratchet import canonical, rounds
from ratchet.artifacts import Manifest, ModelRef
from ratchet.errors import RoundError
from ratchet.progress import for_stage
from ratchet.promptset import PromptSet, PromptSetWriter, find
from ratchet.recipe import FilterConfig, GenerateConfig, Recipe, VerifyConfig
from ratchet.recipe.strategies import ReferenceConfig
from ratchet.rounds import Round
from ratchet.settings import Settings
from ratchet.stage import context_of, run_step
from ratchet.store import Store, open_store

ARMS = ("no_verifier", "labels", "gold")
CHAINED = ("labels", "gold")
POLL_SECONDS = 0.5
LEARN = ("generate", "verify", "filter", "train")


@dataclass
class Arm:
    """An arm's chain of models: the last one that counts, and the SFT visits that it took."""

    name: str
    model: ModelRef
    visits: int = 0
    seconds: float = 0.0
    trained: Manifest | None = None
    base: Round | None = None


@dataclass
class Controls:
    """Runs all arms beside the rounds of one loop. `seed` is the model that round 1 started from."""

    store: Store
    settings: Settings
    loop: str
    seed: ModelRef
    arms: dict[str, Arm] = field(default_factory=dict)
    judged: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.arms = {name: Arm(name, self.seed) for name in ARMS}

    def follow(self, count: int) -> None:
        """Train the arms along with `count` rounds; returns when the last round has ended and the arms are trained."""
        for number in range(1, count + 1):
            opened = self._wait(number, lambda n=number: self._opened(n))  # type: ignore[misc]
            if number == 1:
                self._keep(self._train("no_verifier", opened, no_verifier(opened.recipe), opened.prompts))
                self._judge("no_verifier")
            gold = self._train("gold", opened, gold_labels(opened.recipe), opened.prompts)
            steps = self._wait(number, lambda n=number: self._steps(n))  # type: ignore[misc]
            again = None
            if steps:
                again = self._train("labels", opened, labels_again(opened.recipe, steps), self._labels().digest)
            end = self._wait(number, lambda n=number: rounds.read_end(self.store, self.loop, n))  # type: ignore[misc]
            # The champion's lineage is the promoted rounds: the arms that are compared with it take the same path.
            if end.state == "PROMOTED" and again is not None:
                self._keep(gold)
                self._keep(again)

    def decide(self) -> dict[str, Any]:
        """Let the gate judge each arm against the seed, on the holdout of the last round that the arm learned beside."""
        for name, arm in self.arms.items():
            if arm.trained is not None and name not in self.judged:
                self._judge(name)
        return self.judged

    def _judge(self, name: str) -> None:
        arm = self.arms[name]
        if arm.trained is None or arm.base is None:
            return
        start = time.perf_counter()
        opened = self._arm_round(name, arm.base, arm.base.recipe, arm.base.prompts, self.seed)
        parents = {"train": arm.trained}
        for stage in ("evaluate", "promote"):
            progress = for_stage(f"{name}: {stage}", opened.number)
            context = context_of(stage, self.store, opened, parents, settings=self.settings, progress=progress)
            parents[stage] = run_step(context)
        self.judged[name] = {
            "decision": parents["promote"].results["decision"],
            "model": arm.model.model_dump(),
            "visits": arm.visits,
            "seconds": arm.seconds + time.perf_counter() - start,
        }

    def _train(self, name: str, base: Round, recipe: Recipe, prompts: str) -> Arm:
        start = time.perf_counter()
        arm = self.arms[name]
        opened = self._arm_round(name, base, recipe, prompts, arm.model)
        done: dict[str, Manifest] = {}
        for stage in LEARN:
            progress = for_stage(f"{name}: {stage}", base.number)
            done[stage] = run_step(
                context_of(stage, self.store, opened, done, settings=self.settings, progress=progress)
            )
        trained = done["train"]
        return Arm(
            name,
            ModelRef.model_validate(trained.results["model"]),
            arm.visits + trained.counts["visits"],
            arm.seconds + time.perf_counter() - start,
            trained,
            base,
        )

    def _keep(self, arm: Arm) -> None:
        self.arms[arm.name] = arm

    def _arm_round(self, name: str, base: Round, recipe: Recipe, prompts: str, seed: ModelRef) -> Round:
        changes = {"control": name, "recipe": recipe, "prompts": prompts, "seed": seed, "salt": f"{base.salt}-{name}"}
        return base.model_copy(update=changes)

    def _labels(self) -> PromptSet:
        return labels_set(self.store)

    def _opened(self, number: int) -> Round | None:
        if number not in rounds.numbers(self.store, self.loop):
            return None
        opened = rounds.read_round(self.store, self.loop, number)
        return opened if find(self.store, opened.prompts) is not None else None

    def _steps(self, number: int) -> int | None:
        """Optimiser steps of the round's training; 0 for a round that ended without."""
        trained = rounds.manifests(self.store, self.loop, number).get("train")
        if trained is not None:
            return trained.counts["steps"]
        return 0 if rounds.read_end(self.store, self.loop, number) is not None else None

    def _wait(self, number: int, look: Callable[[], Any]) -> Any:
        progress = for_stage("waiting for the round", number)
        while (found := look()) is None:
            progress(0, 1, "")
            time.sleep(POLL_SECONDS)
        return found


def no_verifier(recipe: Recipe) -> Recipe:
    """One sample a prompt, everything passes."""
    generate = recipe.generate.model_copy(update={"k": 1})
    return _variant(recipe, generate, VerifyConfig(policy="none"), {})


def gold_labels(recipe: Recipe) -> Recipe:
    """The pool's own reference answers."""
    return _variant(recipe, _reference(recipe), VerifyConfig(), {})


def labels_again(recipe: Recipe, steps: int) -> Recipe:
    """The seed's labelled rows, for exactly `steps` optimiser steps of the same batch size."""
    return _variant(recipe, _reference(recipe), VerifyConfig(), {"max_steps": steps})


def _reference(recipe: Recipe) -> GenerateConfig:
    return recipe.generate.model_copy(update={"strategy": (ReferenceConfig(),), "k": 1})


def _variant(recipe: Recipe, generate: GenerateConfig, verify: VerifyConfig, train: Mapping[str, Any]) -> Recipe:
    changes = {
        "generate": generate,
        "verify": verify,
        "filter": FilterConfig(decontaminate=recipe.filter.decontaminate),
        "train": recipe.train.model_copy(update=dict(train)),
    }
    return recipe.model_copy(update=changes)


def labels_set(store: Store) -> PromptSet:
    """The seed's labelled rows as a prompt set with nothing but a pool. Made once for a store."""
    from ratchet.importing.tinyworld import prompts_of
    from ratchet.tinyworld.seed import seed_labels
    from ratchet.tinyworld.world import VERSION

    digest = canonical.digest(["tinyworld-labels", VERSION])
    known = find(store, digest)
    if known is not None:
        return known
    writer = PromptSetWriter(store, name="tinyworld-labels", digest=digest, source="tinyworld", salt="labels")
    prompts, packs = prompts_of(store, f"{writer.prefix}/images/labels.parquet", seed_labels())
    writer.write_part("pool", prompts, packs)
    return writer.finish([])


def main() -> int:
    """`python -m ratchet.tinyworld.controls --loop demo --rounds 3`: train and judge the arms; results go to the store."""
    parser = argparse.ArgumentParser(description="Train the control arms beside the rounds of a loop.")
    parser.add_argument("--loop", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    given = parser.parse_args()
    settings = Settings.from_environment()
    store = open_store(settings.root)
    controls = Controls(store, settings, given.loop, _first_seed(store, given.loop))
    controls.follow(given.rounds)
    store.put(results_key(given.loop), canonical.pretty(controls.decide()))
    return 0


def results_key(loop: str) -> str:
    return f"{rounds.loop_prefix(loop)}/controls/results.json"


def _first_seed(store: Store, loop: str) -> ModelRef:
    limit = time.monotonic() + 300
    while not rounds.numbers(store, loop):
        if time.monotonic() > limit:
            raise RoundError(f"loop {loop} opened no round within 300 s; see the log of its first round.")
        time.sleep(POLL_SECONDS)
    return rounds.read_round(store, loop, rounds.numbers(store, loop)[0]).seed


if __name__ == "__main__":
    sys.exit(main())
