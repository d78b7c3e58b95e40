"""What an import says at its end: why nothing was imported, or what became of every row, with what to look at first."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ratchet import canonical
from ratchet.errors import ImportRefused
from ratchet.importing.listing import HIDDEN
from ratchet.importing.survey import Survey
from ratchet.promptset import SPLIT_NAMES
from ratchet.recipe import PromoteConfig

FEW = 30
SHOWN_REJECTS = 10


def check_outcome(survey: Survey) -> None:
    """Raise ImportRefused where nothing is left, or something is not and must be."""
    bad = survey.rejected.total()
    if survey.rows_read > bad and not (bad and survey.options.strict):
        return
    if not survey.rows_read:
        raise ImportRefused("the source has no rows, so nothing was imported. Give one that has.")
    with survey.rejects.open("rb") as file:
        first = [canonical.loads(line) for _, line in zip(range(SHOWN_REJECTS), file, strict=False)]
    told = [f"  {r['file']} row {r['row']}: {r['reason']}: {r['detail']}" for r in first]
    if bad > len(told):
        told.append(f"  and {bad - len(told)} more")
    why = "and strict accepts none" if survey.rows_read > bad else "so no prompt is left"
    counts = ", ".join(f"{reason} {count}" for reason, count in survey.rejected.most_common())
    where = f" All are in {survey.options.rejects}." if survey.options.rejects is not None else ""
    head = (
        f"{bad} of {survey.rows_read} rows are rejected ({counts}), {why}. Nothing was imported.{_hint(survey)}{where}"
    )
    raise ImportRefused("\n".join([head, *told]))


def _hint(survey: Survey) -> str:
    """What one option would mend, where it is plain from all rows."""
    columns = survey.reader.columns
    if missing := columns.missing():
        return f" No row has the column {', '.join(missing)}."
    if survey.rejected["no_picture"] == survey.rows_read and "images" not in columns.used() and columns.unused():
        return f" None of the columns {', '.join(columns.unused())} is known to hold pictures; say which: --column images=NAME."
    if survey.rejected["no_question"] == survey.rows_read and "question" not in columns.used():
        return " Pictures without questions are imported with --pictures."
    return ""


def told_of(survey: Survey, rows: dict[str, int], rejects: str) -> dict[str, Any]:
    """The report, but for the set and the time it took."""
    prompts = Counter[tuple[str, str]]()
    for _, prompt in survey.prompts():
        prompts.update(
            [("skill", prompt.skill), ("source", prompt.source), ("licence", prompt.licence or "none named")]
        )
    named = {f: {v: n for (g, v), n in prompts.most_common() if g == f} for f in ("skill", "source", "licence")}
    bad = survey.rejected.total()
    return {
        "rows_read": survey.rows_read,
        "accepted": survey.rows_read - bad,
        "rejected": dict(survey.rejected.most_common()),
        "splits": rows,
        "images": survey.images,
        "columns": survey.reader.columns.used(),
        "unused_columns": survey.reader.columns.unused(),
        "named_verifiers": dict(survey.named.most_common()),
        "guessed_verifiers": dict(survey.guessed.most_common()),
        "skills": named["skill"],
        "sources": named["source"],
        "licences": named["licence"],
        "pictures": dict(survey.notes.most_common()),
        "warnings": warnings_of(survey, rows),
        "rejects": rejects if bad else None,
    }


def warnings_of(survey: Survey, rows: dict[str, int]) -> list[str]:
    """What a person should look at before the set is used."""
    told = _pool_warnings(survey, rows) if survey.options.pictures else _split_warnings(rows)
    if survey.moved:
        told.append(
            f"{survey.moved} rows were moved out of the split that they name, because they share pictures or a key with a more protected one."
        )
    if survey.clusters.joined:
        told.append(f"{survey.clusters.joined} split keys were joined with others, because their rows share pictures.")
    if survey.unlicensed:
        told.append(
            f"{survey.unlicensed} prompts have no licence; name it with a column or an option before anything is published."
        )
    if missing := survey.reader.columns.missing():
        told.append(f"no row has the column {', '.join(missing)} that was named; mend its name.")
    return told


def _split_warnings(rows: dict[str, int]) -> list[str]:
    told = []
    for split in SPLIT_NAMES:
        if not rows[split]:
            told.append(f"split {split} is empty: a round needs all four. Import more rows, or give it a larger share.")
        elif split == "holdout" and rows[split] < (least := PromoteConfig().min_items):
            told.append(
                f"split holdout has only {rows[split]} prompts: a round with promote.min_items {least}, the default, cannot promote. "
                "Import more rows, or give it a larger share."
            )
        elif rows[split] < FEW:
            told.append(
                f"split {split} has only {rows[split]} prompts, too few to tell models apart. Import more rows, or give it a larger share."
            )
    return told


def _pool_warnings(survey: Survey, rows: dict[str, int]) -> list[str]:
    """Of a set without questions only the pool is used; what is unusual here is what was passed over or put together."""
    told = []
    if not rows["pool"]:
        told.append(
            "split pool is empty: `prompts: {pictures: NAME}` takes the pool and nothing else. Give it a share."
        )
    left_out = Counter(survey.source.left_out)
    left_out[HIDDEN] += survey.hidden
    if shown := ", ".join(f"{kind} ({count})" for kind, count in left_out.most_common() if count):
        told.append(f"left out, as no pictures: {shown}.")
    count, first = survey.several
    if count:
        told.append(f"{count} prompts show several pictures together, as their samples do (first: {first}).")
    return told
