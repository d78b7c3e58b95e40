"""Groups as a data set that stands alone, pictures and all, for other trainers.

Forms: `sft` (images, prompt, completion) and `pairs` (images, prompt, chosen, rejected) have TRL's columns, messages with
plain text; `messages` is the chat with `<image>` marks that LLaMA-Factory and ms-swift read; `groups` has one row a
prompt with all its completions and scores. Parquet holds the pictures, in the layout that `datasets` decodes; JSONL names files
below images/, each there once.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ratchet.artifacts import GROUPS, MANIFEST, Artifact, ImageBank, Manifest, Pack, read_manifest
from ratchet.errors import ArtifactError
from ratchet.export_files import SINKS
from ratchet.records import Completion, Group, Prompt, Record
from ratchet.store import Store
from ratchet.turns import answered, asked

Form = Literal["sft", "pairs", "messages", "groups"]
FileFormat = Literal["parquet", "jsonl"]
MARK = "<image>"

ABOUT = {"id": "text", "reference": "text", "skill": "text", "source": "text", "licence": "text"}
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "sft": {"images": "images", "prompt": "messages", "completion": "messages", **ABOUT},
    "pairs": {
        "images": "images",
        "prompt": "messages",
        "chosen": "messages",
        "rejected": "messages",
        "margin": "number",
        **ABOUT,
    },
    "messages": {"images": "images", "messages": "messages", **ABOUT},
    "groups": {
        "images": "images",
        "prompt": "messages",
        "completions": "texts",
        "scores": "numbers",
        "passed": "flags",
        "kept": "flags",
        "reason": "text",
        "verifiers": "texts",
        **ABOUT,
    },
}
"""The columns of each form. All have the prompt's id, reference, skill, source and licence."""

NOTHING = {
    "sft": "no completion is kept for SFT; export an artifact of filter, or use form groups",
    "pairs": "no group has a pair for preference learning; set filter.pairs in the recipe, or use form sft or groups",
    "messages": "no completion is kept for SFT; export an artifact of filter, or use form groups",
    "groups": "the artifact has no rows",
}


class ExportReport(Record):
    """What was written. `skipped` counts what has no place in the form, by reason; licences count prompts."""

    folder: str
    form: Form
    rows: int
    prompts: int
    images: int
    files: tuple[str, ...]
    skipped: dict[str, int]
    licences: dict[str, int]


class Exported(NamedTuple):
    """One row of the export: its own columns, and the prompt that the others come from."""

    columns: dict[str, Any]
    prompt: Prompt


def export(store: Store, manifest_uri: str, form: Form, out: Path, file_format: FileFormat = "parquet") -> ExportReport:
    """Write the artifact's groups to the folder `out`, which appears when all is written.

    Raises ArtifactError when `out` exists, or when the artifact holds nothing of this form.
    """
    uri = manifest_uri.removesuffix(f"/{MANIFEST}")
    artifact = Artifact.open(store, uri, GROUPS)
    lineage = lineage_of(store, artifact.manifest)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ArtifactError(f"{out} exists and is not empty; give a new folder.")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        report = _write(artifact, _bank(store, lineage), form, partial, file_format)
        report = report.model_copy(update={"folder": str(out)})
        (partial / "README.md").write_text(readme(report, lineage, file_format), encoding="utf-8")
        if out.is_dir():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report


def _write(
    artifact: Artifact[Group], bank: ImageBank, form: Form, folder: Path, file_format: FileFormat
) -> ExportReport:
    skipped: Counter[str] = Counter()
    licences: dict[str, str] = {}
    pictures: set[str] = set()
    rows = 0
    with SINKS[file_format](folder, COLUMNS[form]) as sink:
        for group in artifact.rows():
            for one in ROWS[form](group, skipped):
                sink.write(
                    {**one.columns, **_about(one.prompt)}, [(i, bank.bytes(i.sha256)) for i in one.prompt.images]
                )
                licences[one.prompt.id] = one.prompt.licence or "none named"
                pictures.update(i.sha256 for i in one.prompt.images)
                rows += 1
    if not rows:
        found = ", ".join(f"{reason} {count}" for reason, count in skipped.items())
        raise ArtifactError(
            f"{artifact.manifest.uri} (stage {artifact.manifest.stage}): {NOTHING[form]} ({found or 'empty'})."
        )
    return ExportReport(
        folder=str(folder),
        form=form,
        rows=rows,
        prompts=len(licences),
        images=len(pictures),
        files=tuple(sink.files),
        skipped=dict(skipped.most_common()),
        licences=dict(Counter(licences.values()).most_common()),
    )


def _sft(group: Group, skipped: Counter[str]) -> Iterator[Exported]:
    """One row per kept completion, as training sees it: the stored prompt, whatever the model was shown."""
    for completion in _kept(group, skipped):
        yield Exported({"prompt": asked(group.prompt), "completion": answered(completion.text)}, group.prompt)


def _messages(group: Group, skipped: Counter[str]) -> Iterator[Exported]:
    for completion in _kept(group, skipped):
        turns = asked(group.prompt)
        first = next(turn for turn in turns if turn["role"] == "user")
        first["content"] = MARK * len(group.prompt.images) + first["content"]
        yield Exported({"messages": [*turns, *answered(completion.text)]}, group.prompt)


def _pairs(group: Group, skipped: Counter[str]) -> Iterator[Exported]:
    if not group.pairs or "preference" not in group.uses:
        skipped[group.reason or "group without pairs"] += 1
        return
    for pair in group.pairs:
        if pair.kind != "text":
            skipped["pair of pictures: TRL has no column for it"] += 1
            continue
        sides = {
            "chosen": answered(group.completions[pair.chosen].text),
            "rejected": answered(group.completions[pair.rejected].text),
        }
        yield Exported({"prompt": asked(group.prompt), **sides, "margin": pair.margin}, group.prompt)


def _groups(group: Group, skipped: Counter[str]) -> Iterator[Exported]:  # noqa: ARG001
    yield Exported(
        {
            "prompt": asked(group.prompt),
            "completions": [c.text for c in group.completions],
            "scores": [score_of(c) for c in group.completions],
            "passed": [passed_of(c) for c in group.completions],
            "kept": [c.kept for c in group.completions],
            "reason": group.reason,
            "verifiers": list(group.prompt.verifiers),
        },
        group.prompt,
    )


ROWS: Mapping[str, Callable[[Group, Counter[str]], Iterator[Exported]]] = {
    "sft": _sft,
    "pairs": _pairs,
    "messages": _messages,
    "groups": _groups,
}


def score_of(completion: Completion) -> float | None:
    """Mean of the scores that verifiers gave; None where all of them left it unscored."""
    scores = [v.score for v in completion.verdicts if v.score is not None]
    return sum(scores) / len(scores) if scores else None


def passed_of(completion: Completion) -> bool | None:
    """Whether every verifier that decided let it pass; None where none did."""
    decided = [v.passed for v in completion.verdicts if v.passed is not None]
    return all(decided) if decided else None


def _kept(group: Group, skipped: Counter[str]) -> Iterator[Completion]:
    for completion in group.completions:
        if completion.kept and "sft" in group.uses:
            yield completion
        else:
            skipped[
                group.reason or completion.reason or ("not filtered" if completion.kept is None else "not kept")
            ] += 1


def _about(prompt: Prompt) -> dict[str, Any]:
    return {name: getattr(prompt, name) for name in ABOUT}


def lineage_of(store: Store, manifest: Manifest) -> list[Manifest]:
    """The artifact and all it came from, the nearest first."""
    found: dict[str, Manifest] = {}
    waiting = [manifest]
    while waiting:
        one = waiting.pop(0)
        if one.uri not in found:
            found[one.uri] = one
            waiting.extend(read_manifest(store, store.key(p.uri)) for p in one.parents.values())
    return list(found.values())


def _bank(store: Store, lineage: list[Manifest]) -> ImageBank:
    packs: dict[str, Pack] = {pack.uri: pack for manifest in lineage for pack in manifest.packs}
    return ImageBank(store, list(packs.values()))


def readme(report: ExportReport, lineage: list[Manifest], file_format: FileFormat) -> str:
    """The data set's card: how to load it, and where each part of it comes from."""
    loader = "parquet" if file_format == "parquet" else "json"
    lines = [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(f"  - {name}" for name in report.files),
        "---",
        "",
        f"# {Path(report.folder).name}",
        "",
        f"{report.rows} rows of {report.prompts} prompts about {report.images} pictures, exported by ratchet in the form "
        f"`{report.form}`.",
        "",
        "```python",
        f'datasets.load_dataset("{loader}", data_files={list(report.files)!r}, split="train")',
        "```",
        "",
        f"Columns: {', '.join(f'`{name}`' for name in COLUMNS[report.form])}. " + _NOTES[file_format],
        "",
        "## Lineage",
        "",
        "| stage | content digest | loop | round | seed model | code |",
        "|---|---|---|---|---|---|",
        *(_lineage_row(manifest) for manifest in lineage),
        "",
        *_table("Licences of the prompts", ("licence", "prompts"), report.licences),
        *(_table("Left out", ("reason", "number"), report.skipped) if report.skipped else ()),
    ]
    return "\n".join(lines)


def _lineage_row(manifest: Manifest) -> str:
    cells = [
        manifest.stage,
        f"`{manifest.content_digest}`",
        manifest.loop or "",
        "" if manifest.round is None else str(manifest.round),
        manifest.seed_model.label if manifest.seed_model else "",
        manifest.code_revision,
    ]
    return f"| {' | '.join(cells)} |"


def _table(title: str, heads: tuple[str, str], counts: Mapping[str, int]) -> list[str]:
    rows = [f"| {name} | {count} |" for name, count in counts.items()]
    return [f"## {title}", "", f"| {heads[0]} | {heads[1]} |", "|---|---|", *rows, ""]


_NOTES = {
    "parquet": "Pictures are inside, and decoded when a row is read.",
    "jsonl": "`images` names files relative to this folder: give it to the trainer as its media folder.",
}
