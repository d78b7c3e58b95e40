"""What each recipe collects on the tiny world: how many of its answers are right, and how many of its negatives are wrong.

    python -m ratchet.tinyworld.collected [--recipes stic csr ...] [--seed-dir asker]

The generate stage of every recipe, as shipped, on the same fresh pool prompts; nothing is trained. Answers are checked by
the rules that the prompts name. A question that the model made itself counts as a row; its answers are not checked here. Nor
are those that were given without the picture, as a means to an end: they are no answers to the prompt.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ratchet import models
from ratchet import recipe as recipes
from ratchet.artifacts import GROUPS, Artifact, Manifest, ModelRef
from ratchet.importing.tinyworld import tinyworld_set
from ratchet.promptset import PromptSet
from ratchet.recipe import PromptsConfig, Recipe
from ratchet.records import Completion, Group
from ratchet.rounds import Round
from ratchet.stage import context_of, run_step
from ratchet.statistics import paired_delta, wilson
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.verify.judging import rights

log = logging.getLogger(__name__)
SALT, CONTROL = "collected", "rft"
VALIDATION = 360


@dataclass
class Collected:
    """What one recipe made.

    `rates` are shares of right answers by prompt id, of `answers` in all; `wrong` counts bad answers (`negatives`) that the
    rules find wrong; `bad_inputs` are right texts beside a picture that was made worse; `refused` of `rows` have a reason.
    """

    manifest: Manifest
    rates: dict[str, float] = field(default_factory=dict)
    answers: int = 0
    negatives: int = 0
    wrong: int = 0
    bad_inputs: int = 0
    rows: int = 0
    refused: int = 0

    @property
    def right(self) -> float | None:
        """Mean over the prompts of the share of right answers; None without answers."""
        return _mean(self.rates.values())

    def add(self, group: Group, passed: Sequence[bool | None]) -> None:
        self.rows += 1
        self.refused += group.reason is not None
        if group.reason is not None or group.prompt.origin is not None:
            return
        judged = list(zip(group.completions, passed, strict=True))
        honest = [ok for c, ok in judged if c.negative is None and ok is not None and _saw_pictures(c)]
        bad = [ok for c, ok in judged if c.negative is not None and c.negative.use == "answer" and ok is not None]
        self.bad_inputs += sum(c.negative is not None and c.negative.use == "input" for c, _ in judged)
        self.answers += len(honest)
        self.negatives += len(bad)
        self.wrong += len(bad) - sum(bad)
        if honest:
            self.rates[group.prompt.id] = sum(honest) / len(honest)


def _saw_pictures(completion: Completion) -> bool:
    return completion.input is None or bool(completion.input.images)


def _mean(values: Collection[float]) -> float | None:
    return sum(values) / len(values) if values else None


def collect_all(names: Sequence[str], seed_dir: Path, prompts: int) -> dict[str, Collected]:
    """The generate stage of each recipe on the same `prompts` pool prompts."""
    with tempfile.TemporaryDirectory(prefix="ratchet-collected-") as folder:
        store = FolderStore(folder)
        sizes = PromptsConfig(pool=prompts, validation=VALIDATION)
        pool = tinyworld_set(store, salt=SALT, config=sizes, splits=("pool", "validation"), name=SALT)
        seed = models.upload(store, seed_dir, "seed")
        found = {}
        for name in names:
            log.info("%s ...", name)
            found[name] = _collected(store, _sized(recipes.load(name), prompts), pool, seed)
        return found


def _sized(recipe: Recipe, prompts: int) -> Recipe:
    """The recipe on our prompts; those that weigh take half of them."""
    taken = prompts // 2 if recipe.generate.weakness is not None else None
    changed = {"prompts": recipe.prompts.model_copy(update={"pool": prompts})}
    return recipe.model_copy(update={**changed, "generate": recipe.generate.model_copy(update={"prompts": taken})})


def _collected(store: FolderStore, recipe: Recipe, pool: PromptSet, seed: ModelRef) -> Collected:
    opened = Round(
        loop=SALT, number=1, salt=SALT, job=SALT, seed=seed, recipe=recipe, prompts=pool.digest, report=pool.digest,
        family=pool.family, code_revision=SALT,
    )  # fmt: skip
    context = context_of("generate", store, opened, {})
    done = Collected(run_step(context))
    for table in Artifact(store, context.prefix, GROUPS).tables():
        groups = GROUPS.rows(table)
        for group, passed in zip(groups, rights(groups), strict=True):
            done.add(group, passed)
    return done


def table(found: Mapping[str, Collected]) -> str:
    """Markdown. Shares are means by prompt; differences are to plain sampling on the same prompts, with 95% intervals."""
    head = ["recipe", "answers", "right", "rft on the same prompts", "minus rft", "bad answers", "of them wrong"]
    head += ["bad inputs", "refused rows"]
    control = found[CONTROL].rates
    lines = [head, ["---"] * len(head), *(_line(name, one, control) for name, one in found.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(name: str, one: Collected, control: Mapping[str, float]) -> list[str]:
    low, high = wilson(one.wrong, one.negatives)
    same, difference = ("", "") if name == CONTROL else _beside(one.rates, control)
    return [
        f"`{name}`",
        _count(one.answers),
        _percent(one.right),
        same,
        difference,
        _count(one.negatives),
        f"{100 * one.wrong / one.negatives:.0f}% ({100 * low:.0f} to {100 * high:.0f})" if one.negatives else "",
        _count(one.bad_inputs),
        f"all {one.refused:,}" if one.refused and one.refused == one.rows else _count(one.refused),
    ]


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}%"


def _beside(rates: Mapping[str, float], control: Mapping[str, float]) -> tuple[str, str]:
    """The control's share on the prompts that both answered, and the difference there."""
    ids = sorted(rates.keys() & control.keys())
    if not ids:
        return "", ""
    same = [control[i] for i in ids]
    delta = paired_delta([rates[i] for i in ids], same, ids)
    said = f"{100 * delta.delta:+.1f} ({100 * delta.low:+.1f} to {100 * delta.high:+.1f})"
    return _percent(_mean(same)), said


def main(argv: list[str] | None = None) -> None:
    """Run the study from the command line."""
    served = [name for name in recipes.names() if recipes.load(name).generate.engine.kind == "endpoint"]
    parser = argparse.ArgumentParser(prog="python -m ratchet.tinyworld.collected", description=__doc__.split("\n")[0])
    parser.add_argument("--recipes", nargs="*", default=[name for name in recipes.names() if name not in served])
    parser.add_argument("--seed-dir", type=Path, default=SEED_DIR)
    parser.add_argument("--prompts", type=int, default=450, help="fresh pool prompts")
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    names = [CONTROL, *(name for name in given.recipes if name != CONTROL)]
    sys.stdout.write(table(collect_all(names, given.seed_dir, given.prompts)) + "\n")


if __name__ == "__main__":
    main()
