"""Every verifier that fits the tiny world, measured on the seed's answers; the world itself says which are right.

    python -m ratchet.tinyworld.audited [--scorer DIR] [--prompts 360] [-k 8]

The oracle looks at the scenes, so the rules are measured too. A small scorer is trained first, unless one is given.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ratchet import models
from ratchet import recipe as recipes
from ratchet.artifacts import Artifact, ImageBank, ModelRef
from ratchet.generate.sampling import derived_seed
from ratchet.importing.tinyworld import prompts_of
from ratchet.promptset import PromptSetWriter, open_part
from ratchet.recipe import Recipe, VerifyConfig
from ratchet.recipe.audit import AuditConfig
from ratchet.recipe.judges import SEED
from ratchet.records import Group, Prompt
from ratchet.report import organising_words as words
from ratchet.store import FolderStore
from ratchet.tinyworld.oracle import is_right
from ratchet.tinyworld.scene import KINDS
from ratchet.tinyworld.seed import SEED_DIR
from ratchet.tinyworld.world import SKILLS, Item, items, prompt_of
from ratchet.verify.audit import showing
from ratchet.verify.audit.auditing import Watch, audit, silent
from ratchet.verify.audit.making import Wanted, measured, sampled_slice
from ratchet.verify.audit.result import Audited, AuditResult
from ratchet.verify.audit.slices import Slice
from ratchet.verify.panel import panel_of
from ratchet.verify.scratch import showing as looking_at
from ratchet.verify.tools import Tools

log = logging.getLogger(__name__)
NAME, SCORER = "tinyworld", "scorer"
PROMPTS, K = 360, 8
SPLIT, DRAWN = "validation", 20261125
NUMBERS, WORDS = ("count", "add"), tuple(skill for skill in SKILLS if skill != "caption")
JUDGES: Mapping[str, Any] = {"seed": {"max_new_tokens": 24, "batch_size": 256}}


@dataclass(frozen=True)
class Row:
    """A verifier as a recipe has it, and the skills that it fits; None: all."""

    config: Mapping[str, Any]
    skills: tuple[str, ...] | None = None


ROWS: tuple[Row, ...] = (
    Row({"name": "exact"}, WORDS),
    Row({"name": "text"}, WORDS),
    Row({"name": "numeric"}, NUMBERS),
    Row({"name": "count"}, NUMBERS),
    Row({"name": "chart"}, WORDS),
    Row({"name": "maths"}, NUMBERS),
    Row({"name": "yes_no"}, ("exist",)),
    Row({"name": "choice"}, ("compare", "pair")),
    Row({"name": "anls"}, ("read",)),
    Row({"name": "edits"}, ("read",)),
    Row({"name": "set_f1"}, ("caption",)),
    Row({"name": "objects"}, ("caption",)),
    Row({"name": "caption", "table": "none", "synonyms": {" ".join(kind): [] for kind in KINDS}}, ("caption",)),
    Row({"name": "repetition"}),
    Row({"name": "length", "most": 12}),
    Row({"name": "majority", "floor": 0.0, "label": "majority"}),
    Row({"name": "majority", "floor": 0.5, "label": "majority_half"}),
    Row({"name": "majority", "floor": 0.75, "label": "majority_three_quarters"}),
    Row({"name": "views", "threshold": 0.8}),
    Row({"name": "own_caption", "ask": "list the objects .", "max_new_tokens": 24}, ("count", "exist")),
    Row({"name": "self_check", "expects": "answer", "template": "look carefully . {question}"}),
    Row({"name": "self_check", "expects": "answer", "template": "{question}", "label": "self_check_again"}),
    Row({"name": "rubric"}),
    Row({"name": "pairwise", "template": "{question} first {first} . second {second} . which answer ?"}),
    Row({"name": "claims", "splitter": "list", "template": "is there a {claim} ?"}, ("caption",)),
    Row({"name": "likelihood"}),
    Row({"name": "conditioning"}),
    Row(
        {"name": "small_scorer", "model": SCORER, "text": "{question} {answer}"},
        tuple(s for s in SKILLS if s != "pair"),
    ),
)


def audit_tinyworld(
    recipe: str | None = None, prompts: int | None = None, k: int | None = None, watch: Watch = silent
) -> AuditResult:
    """The verifiers of a recipe, or without one all of ROWS but the scorer, on the tiny world with the shipped seed."""
    if recipe is None:
        return study(prompts, k, None, watch)[0]
    loaded = recipes.load(recipe)
    found = loaded.verify.audit or AuditConfig()
    config = found.model_copy(update={"prompts": prompts or found.prompts, "k": k or found.k, "words": NAME})
    with _world(config.prompts, loaded.verify) as (tools, part, by_id):
        wanted = Wanted(loaded, config, judged=_judged(by_id), truth="world")
        return measured(tools, part, NAME, wanted, watch)


def study(
    prompts: int | None = None,
    k: int | None = None,
    scorer: Path | None = None,
    watch: Watch = silent,
    only: Sequence[str] = (),
) -> tuple[AuditResult, list[tuple[Row, Audited]]]:
    """All rows (or `only` those of these names), each on the skills that it fits, with one set of answers. Without a scorer
    its row is left out."""
    rows = [row for row in ROWS if (scorer is not None or not _needs_scorer(row)) and _label(row) in (only or NAMES)]
    recipe = Recipe.model_validate({"name": NAME, "verify": {"judges": JUDGES}})
    config = AuditConfig(prompts=prompts or PROMPTS, k=k or K, words=NAME)
    with _world(config.prompts, recipe.verify, scorer) as (tools, part, by_id):
        wanted = Wanted(recipe, config, judged=_judged(by_id), truth="world")
        with looking_at(tools, ImageBank(tools.store, part.manifest.packs)):
            slice_ = sampled_slice(list(part.rows()), {SEED: tools.engine(SEED)}, wanted, tools.draw, tools.bank)
            found = []
            for number, row in enumerate(rows):
                watch(number, len(rows), _label(row))
                found.append((row, _measured(row, slice_, tools)))
            whole = audit(panel_of(recipe.verify, tools), slice_, recipe.verify)
    baselines = [one for one in whole.verifiers if one.family == "baseline"]
    return whole.model_copy(update={"verifiers": (*(one for _, one in found), *baselines)}), found


def _needs_scorer(row: Row) -> bool:
    return row.config.get("model") == SCORER


def _measured(row: Row, slice_: Slice, tools: Tools) -> Audited:
    cases = tuple(case for case in slice_.cases if row.skills is None or case.prompt.skill in row.skills)
    config = VerifyConfig.model_validate({"verifiers": [dict(row.config)], "judges": JUDGES})
    found = audit(panel_of(config, tools), replace(slice_, cases=cases), config).of(_label(row))
    assert found is not None
    return found


def _label(row: Row) -> str:
    return str(row.config.get("label", row.config["name"]))


NAMES: tuple[str, ...] = tuple(map(_label, ROWS))


@contextmanager
def _world(
    number: int, config: VerifyConfig, scorer: Path | None = None
) -> Iterator[tuple[Tools, Artifact[Prompt], Mapping[str, Item]]]:
    """Tools with the shipped seed, prompts of the validation split, and their items by prompt id; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="ratchet-audited-") as folder:
        store = FolderStore(folder)
        drawn = list(items(SPLIT, number, DRAWN))
        prompts, packs = prompts_of(store, "images/audited.parquet", drawn)
        writer = PromptSetWriter(store, name=NAME, digest="0" * 64, source=NAME, salt=NAME)
        writer.write_part(SPLIT, prompts, packs)
        part = open_part(store, writer.finish([]), SPLIT)
        by_id = {prompt_of(item)[0].id: item for item in drawn}
        pinned: dict[str, ModelRef] = {} if scorer is None else {SCORER: models.upload(store, scorer, SCORER)}
        draw = derived_seed(NAME, "audited")
        tools = Tools(
            store, ImageBank(store, packs), models.upload(store, SEED_DIR, "seed"), config.judges, pinned, draw
        )
        try:
            yield tools, part, by_id
        finally:
            tools.close()


def _judged(by_id: Mapping[str, Item]) -> Any:
    """What the world says: it looks at the scenes, not at the prompts' rules."""

    def judged(groups: Sequence[Group]) -> list[list[bool | None]]:
        return [[is_right(by_id[group.prompt.id], one.text) for one in group.completions] for group in groups]

    return judged


def table(found: Sequence[tuple[Row | None, Audited]]) -> str:
    """Markdown: shares in per cent and biases in points, each with its 95% interval."""
    head = ["verifier", "from", "on", "gold", "other words", "corrupted rejected", "right", "precision", "recall"]
    head += ["ranks right first", "order bias", "length bias", "unscored", "tokens", "ms"]
    return showing.markdown(head, [_cells(row, one) for row, one in found])


def _cells(row: Row | None, one: Audited) -> list[str]:
    name, family, gold, forms, corrupted, precision, recall = showing.rights(one)
    _, ranking, order, length, _, unscored, tokens, ms = showing.biases(one)
    on = "all" if row is None or row.skills is None else _skills(row.skills)
    better = "" if one.better_than_constant or one.family == "baseline" else " (no better)"
    right = showing.interval(one.base_rate)
    counted = f"{precision} of {one.precision.n}" if one.precision.n else precision
    cells = [f"`{name}`", family, on, gold, forms, corrupted, right, counted + better, recall]
    return [*cells, ranking, order, length, unscored, tokens, ms]


def _skills(skills: Sequence[str]) -> str:
    missing = [skill for skill in SKILLS if skill not in skills]
    return ", ".join(skills) if len(skills) <= len(missing) else f"all but {', '.join(missing)}"


def main(argv: list[str] | None = None) -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ratchet.tinyworld.audited", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--scorer", type=Path, default=None, help="folder of a trained scorer; default: train one")
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("-k", type=int, default=K)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="VERIFIER", help=", ".join(NAMES))
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="ratchet-scorer-") as folder:
        wants = any(_needs_scorer(row) for row in ROWS if _label(row) in given.only)
        scorer = given.scorer or (_trained(Path(folder) / SCORER) if wants else None)
        whole, found = study(given.prompts, given.k, scorer, _told, given.only)
    baselines: list[tuple[Row | None, Audited]] = [(None, one) for one in whole.verifiers if one.family == "baseline"]
    sys.stdout.write(f"{words.on_what(whole)}\n\n{table([*found, *baselines])}\n\n{words.no_better(whole)}\n")


def _told(done: int, of: int, verifier: str) -> None:
    log.info("%d of %d: %s", done + 1, of, verifier)


def _trained(folder: Path) -> Path:
    from ratchet.tinyworld import scorer

    config = scorer.ScorerConfig()
    processor = scorer.build_processor()
    model = scorer.build_model(processor, config.seed)
    scorer.train(model, processor, config)
    scorer.save(model, processor, folder)
    return folder


if __name__ == "__main__":
    main()
