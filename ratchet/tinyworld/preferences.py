"""Does preference learning make the seed better, and does it look at the picture more? One round from the same samples.

    python -m ratchet.tinyworld.preferences

Every arm learns from the same answers of the shipped seed to fresh prompts of the pool, judged by the tiny world's rule, through
the rows and the trainers of a round. Measured on fresh items of the report split: accuracy, the paired gain over the seed, and
sight: log p(right answer | picture) - log p(right answer | bad picture) in nats, for a cut-out and for another item's picture.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratchet import models
from ratchet.artifacts import ImageBank, write_pack
from ratchet.comparing import clock
from ratchet.filter.pairs import Candidate, make_pairs
from ratchet.recipe import Recipe
from ratchet.records import Completion, Group, Sampling, Verdict
from ratchet.store.folder import FolderStore
from ratchet.tinyworld import measure
from ratchet.tinyworld.oracle import is_right
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.tinyworld.world import SKILLS, Item, items, prompt_of

log = logging.getLogger(__name__)

CUT = {"area": 0.2}
ARMS: Mapping[str, Mapping[str, Any]] = {
    "dpo": {"method": "dpo", "loss": ["sigmoid"]},
    "dpo + sft": {"method": "dpo", "loss": ["sigmoid", "sft"]},
    "mdpo": {
        "method": "dpo",
        "loss": ["sigmoid"],
        "pictures": {"conditional": 1.0, "anchor": 1.0, "bad": "crop", "bad_params": CUT},
    },
    "mdpo + sft": {
        "method": "dpo",
        "loss": ["sigmoid", "sft"],
        "pictures": {"conditional": 1.0, "anchor": 1.0, "bad": "crop", "bad_params": CUT},
    },
    "kto": {"method": "kto"},
}


@dataclass(frozen=True)
class Config:
    """Sizes of the study. `seed` draws samples and shuffles; the items are the same for every arm."""

    arms: tuple[str, ...] = tuple(ARMS)
    prompts: int = 1350
    items: int = 2700
    seen: int = 540
    k: int = 4
    epochs: float = 2
    lr: float = 5e-4
    seed: int = 0


@dataclass(frozen=True)
class Arm:
    """One line of the table. `sight` are (mean, half-width of the 95% interval) for a cut-out and for another picture."""

    name: str
    rows: int
    visits: int
    cpu: float
    accuracy: float
    gain: tuple[float, float]
    sight: tuple[tuple[float, float], ...]

    @property
    def cells(self) -> list[str]:
        numbers = [
            f"{self.gain[0]:+.1f} +- {self.gain[1]:.1f}",
            *(f"{mean:.2f} +- {half:.2f}" for mean, half in self.sight),
        ]
        return [self.name, str(self.rows), str(self.visits), f"{self.cpu:.0f}", f"{self.accuracy:.1f}", *numbers]


@dataclass
class Study:
    """The answers that all arms learn from, and what they are measured on."""

    config: Config
    folder: Path
    seed_dir: Path = SEED_DIR
    marked: measure.Marks = field(default_factory=dict)

    def arms(self) -> Iterator[Arm]:
        """The seed, then each arm, as they are done."""
        groups, bank = self._collected()
        yield self._measured("seed", self.seed_dir, 0, 0, 0.0)
        for name in self.config.arms:
            out = self.folder / name.replace(" ", "")
            start = clock.cpu()
            rows, visits = self._trained(name, groups, bank, out)
            yield self._measured(name, out, rows, visits, clock.cpu() - start)

    def _collected(self) -> tuple[list[Group], ImageBank]:
        import torch

        torch.manual_seed(self.config.seed)
        model, processor = models.load(self.seed_dir)
        drawn = list(items("pool", self.config.prompts, self.config.seed))
        pictures: dict[str, bytes] = {}
        groups = []
        for item, texts in measure.answers(model, processor, drawn, k=self.config.k):
            prompt, shown = prompt_of(item)
            pictures.update(shown)
            made = [_completion(n, text, is_right(item, text)) for n, text in enumerate(texts)]
            groups.append(Group(prompt=prompt, completions=tuple(made), uses=("preference",)))
        store = FolderStore(self.folder / "store")
        return groups, ImageBank(store, [write_pack(store, "images/pool.parquet", pictures.items())])

    def _trained(self, name: str, groups: Sequence[Group], bank: ImageBank, out: Path) -> tuple[int, int]:
        from ratchet.train import METHODS, Job
        from ratchet.train.preference.pictures import BadPictures
        from ratchet.train.rows import ROWS, joined

        shared = {"epochs": self.config.epochs, "learning_rate": self.config.lr, "batch_size": 32, "beta": 0.1}
        pairs = {"pairs": {"max_per_prompt": 1}}
        recipe = Recipe.model_validate({"name": "arm", "filter": pairs, "train": {**shared, **ARMS[name]}})
        paired = [group.model_copy(update={"pairs": _pairs(group, recipe)}) for group in groups]
        terms = recipe.train.pictures
        bad = BadPictures(terms, bank, self.config.seed) if terms is not None else None
        rows = joined(ROWS[recipe.train.method](paired, recipe), bank, out.with_suffix(".arrow"), bad)
        report = METHODS[recipe.train.method](Job(recipe.train, self.seed_dir, rows, out, self.config.seed))
        return report.rows, report.visits

    def _measured(self, name: str, folder: Path, rows: int, visits: int, cpu: float) -> Arm:
        model, processor = models.load(folder)
        asked = list(items("report", self.config.items, 1))
        marked = measure.marks(model, processor, asked)
        self.marked = self.marked or marked
        seen = asked[: self.config.seen]
        sight = sights(model, processor, seen, self.config.seed)
        return Arm(name, rows, visits, cpu, measure.accuracy(marked), measure.paired_gain(marked, self.marked), sight)


def sights(model: Any, processor: Any, asked: Sequence[Item], seed: int) -> tuple[tuple[float, float], ...]:
    """How much likelier right answers are beside their picture than beside a cut-out of it, and than beside another's."""
    from ratchet.generate.negatives.pictures import corrupt

    own = [list(item.pictures) for item in asked]
    cut = [[corrupt(one, "crop", CUT, seed + n) for one in some] for n, some in enumerate(own)]
    # The next item of the same skill: as many pictures, and a question that could have been asked of it.
    other = [own[(n + len(SKILLS)) % len(own)] for n in range(len(own))]
    true = likelihoods(model, processor, asked, own)
    found = []
    for pictures in (cut, other):
        gaps = [a - b for a, b in zip(true, likelihoods(model, processor, asked, pictures), strict=True)]
        found.append(measure.interval(gaps))
    return tuple(found)


def likelihoods(model: Any, processor: Any, asked: Sequence[Item], pictures: Sequence[list[Any]]) -> list[float]:
    """log p of each item's right answer beside these pictures, in nats."""
    import torch
    from trl.trainer.kto_trainer import DataCollatorForVisionUnpairedPreference

    collator = DataCollatorForVisionUnpairedPreference(processor, calculate_kl=False)
    processor.chat_template = processor.chat_template or processor.tokenizer.chat_template
    found: list[float] = []
    for first in range(0, len(asked), 90):
        rows = [
            _row(item, shown)
            for item, shown in zip(asked[first : first + 90], pictures[first : first + 90], strict=True)
        ]
        batch = dict(collator(rows))
        mask = batch.pop("completion_mask")[:, 1:].bool()
        del batch["label"]
        with torch.inference_mode():
            logits = model(**batch).logits[:, :-1].log_softmax(-1)
        said = logits.gather(2, batch["input_ids"][:, 1:, None])[..., 0]
        found += (said * mask).sum(1).tolist()
    return found


def _row(item: Item, shown: Any) -> dict[str, Any]:
    asked = [{"role": "user", "content": item.question}]
    answer = [{"role": "assistant", "content": item.answer}]
    return {"images": shown, "prompt": asked, "completion": answer, "label": True}


def _completion(index: int, text: str, right: bool) -> Completion:
    verdict = Verdict(
        verifier="oracle", version="1", score=float(right), passed=right, reason="match" if right else "wrong"
    )
    sampling = Sampling(seed=0, temperature=1.0, max_new_tokens=measure.MAX_NEW_TOKENS)
    given = {"index": index, "text": text, "finish_reason": "stop", "n_tokens": len(text.split()) + 1, "model": "seed"}
    return Completion(**given, sampling=sampling, verdicts=(verdict,))


def _pairs(group: Group, recipe: Recipe) -> Any:
    assert recipe.filter.pairs is not None
    sides: dict[bool, list[Candidate]] = {True: [], False: []}
    for one in group.completions:
        right = bool(one.verdicts[0].passed)
        sides[right].append(Candidate(one, float(right), one.verdicts[0].reason))
    return make_pairs(sides[True], sides[False], recipe.filter.pairs)


HEAD = ["arm", "rows", "visits", "CPU-s", "accuracy", "gain", "sight: cut-out", "sight: another picture"]


def main(argv: list[str] | None = None) -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(prog="python -m ratchet.tinyworld.preferences", description=__doc__.split("\n")[0])
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=tuple(ARMS))
    for name in ("prompts", "items", "seen", "k", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Config, name))
    parser.add_argument("--epochs", type=float, default=Config.epochs)
    parser.add_argument("--lr", type=float, default=Config.lr)
    given = vars(parser.parse_args(argv))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    config = Config(**{**given, "arms": tuple(given["arms"])})
    lines = [HEAD, ["---"] * len(HEAD)]
    with tempfile.TemporaryDirectory() as folder:
        for arm in Study(config, Path(folder)).arms():
            lines.append(arm.cells)
            log.info("%s", " | ".join(arm.cells))
    sys.stdout.write("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")


if __name__ == "__main__":
    main()
