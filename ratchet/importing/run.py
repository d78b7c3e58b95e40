"""An import from end to end: survey the source, place its rows, write packs, parts, fingerprints, and `set.json` last.

The set's digest is that of its prompts, its rejects and the options, so the same rows make the same set wherever they lie and in
whatever format. A note by the source's listing finds the set again without reading the source a second time.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ratchet import canonical
from ratchet.artifacts import ImageBank, Pack
from ratchet.errors import NotFound, PromptSetError
from ratchet.filter.fingerprints import fingerprints_of
from ratchet.importing.options import ImportOptions, ImportReport
from ratchet.importing.packs import write_packs
from ratchet.importing.source import open_source
from ratchet.importing.survey import Survey
from ratchet.importing.tables import Source
from ratchet.importing.telling import check_outcome, told_of
from ratchet.promptset import (
    SET_FILE,
    SPLIT_NAMES,
    Fingerprint,
    PromptSet,
    PromptSetWriter,
    find,
    forgotten,
    set_prefix,
)
from ratchet.records import Prompt
from ratchet.store import Store

VERSION = 1
PROTECTED = ("holdout", "report")
REPORT = "report.json"


def import_prompts(source: str, store: Store, options: ImportOptions) -> ImportReport:
    """Make a prompt set of the rows at `source`: a file, a folder, an s3:// address or hf://datasets/owner/name.

    Imported already, the set is returned at once; cut off before, it is finished. Raises ImportRefused when no row can
    be used, or with `strict` when any cannot: then nothing is written to the store. Raises PromptSetError for a source
    that cannot be read.
    """
    start = time.perf_counter()
    opened = open_source(source, pictures=options.pictures, rejects=options.rejects)
    _check_rejects_place(opened, options)
    note = _note_key(opened, options)
    known = _known(store, note, options)
    if known is not None:
        return known
    with tempfile.TemporaryDirectory(prefix="ratchet-import-") as folder:
        survey = Survey(opened, options, Path(folder), forgotten(store))
        survey.run()
        if options.rejects is not None:
            options.rejects.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(survey.rejects, options.rejects)
        check_outcome(survey)
        digest = _place(survey)
        made = find(store, digest)
        report = _read_report(store, digest) if made is not None else _write(store, source, survey, digest, start)
    store.put(note, canonical.dumps({"digest": digest}))
    return report if made is None else report.model_copy(update={"reused": True})


def _check_rejects_place(opened: Source, options: ImportOptions) -> None:
    if (
        options.rejects is not None
        and opened.whole
        and opened.local is not None
        and options.rejects.resolve().is_relative_to(opened.local.resolve())
    ):
        raise PromptSetError(
            f"rejects would go to {options.rejects}, inside of the source, and be read as rows next time; give another place (--rejects)."
        )


def _note_key(opened: Source, options: ImportOptions) -> str:
    body = [VERSION, opened.listing, _identity(options), options.pack_bytes]
    return f"prompts/imports/{canonical.digest(body)}.json"


def _identity(options: ImportOptions) -> dict[str, Any]:
    """The options that decide what is in the set. Packs may be cut differently and hold the same."""
    beside = {"rejects", "strict", "pack_bytes"} | (set() if options.pictures else {"pictures", "ask"})
    return options.model_dump(mode="json", exclude=beside) | {"salt": options.split_salt}


def _known(store: Store, note: str, options: ImportOptions) -> ImportReport | None:
    """The report of an import of the same files with the same options, unless --strict would refuse what it accepted."""
    try:
        digest = canonical.loads(store.get(note))["digest"]
    except NotFound:
        return None
    if find(store, digest) is None:
        return None
    report = _read_report(store, digest)
    if options.strict and report.rejected:
        return None
    if options.rejects is not None:
        options.rejects.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(f"{set_prefix(digest)}/rejects.jsonl", options.rejects)
    return report.model_copy(update={"reused": True})


def _read_report(store: Store, digest: str) -> ImportReport:
    told = canonical.loads(store.get(f"{set_prefix(digest)}/{REPORT}"))
    return ImportReport.model_validate({"set": find(store, digest), **told})


def _place(survey: Survey) -> str:
    """Decide every cluster's split; the set's digest."""
    for row in survey.rows():
        survey.splitter.meet(survey.cluster_of(row), row["split"])
    for row in survey.rows():
        key = survey.cluster_of(row)
        survey.moved += survey.splitter.place(key, row["split"]) != survey.splitter.settle(key)
    rows = canonical.rows_hash({"split": split, **prompt.model_dump()} for split, prompt in survey.prompts())
    return canonical.digest([VERSION, _identity(survey.options), f"{rows:x}", f"{survey.reject_digest:x}"])


def _family(survey: Survey) -> str:
    """The same rows split by another salt are the same family: looks at any of their holdouts are counted together."""
    return canonical.digest(["import", f"{canonical.rows_hash(row['prompt'] for row in survey.rows()):x}"])


def _write(store: Store, given: str, survey: Survey, digest: str, start: float) -> ImportReport:
    options = survey.options
    writer = PromptSetWriter(
        store, name=options.name, digest=digest, source=given, salt=options.split_salt, family=_family(survey)
    )
    packs = write_packs(store, writer.prefix, survey, options.pack_bytes)
    fingerprints: list[Fingerprint] = []
    rows: dict[str, int] = {}
    for split in SPLIT_NAMES:
        own = packs.get(split, [])
        rows[split] = writer.write_part(split, _of(survey, split), own).rows
        if split in PROTECTED:
            fingerprints.extend(_fingerprints(store, _of(survey, split), own))
    store.put_file(f"{writer.prefix}/rejects.jsonl", survey.rejects)
    told = told_of(survey, rows, store.uri(f"{writer.prefix}/rejects.jsonl"))
    told["warnings"] += _namesakes(store, options.name)
    told["seconds"] = round(time.perf_counter() - start, 3)
    store.put(f"{writer.prefix}/{REPORT}", canonical.pretty(told))
    return ImportReport.model_validate({"set": writer.finish(fingerprints), **told})


def _of(survey: Survey, split: str) -> Iterator[Prompt]:
    return (prompt for place, prompt in survey.prompts() if place == split)


def _fingerprints(store: Store, prompts: Iterator[Prompt], packs: list[Pack]) -> Iterator[Fingerprint]:
    bank = ImageBank(store, packs, cached_bytes=32 << 20)  # rows and packs have one order
    yield from fingerprints_of(prompts, bank)


def _namesakes(store: Store, name: str) -> list[str]:
    """Earlier sets of this name: recipes that give the name must give a digest from now on."""
    keys = [key for stat in store.list("prompts/") if (key := store.key(stat.uri)).endswith(f"/{SET_FILE}")]
    found = [PromptSet.model_validate_json(store.get(key)) for key in keys]
    others = [one.digest[:12] for one in found if one.name == name]
    if not others:
        return []
    return [f"there is another set named {name} ({', '.join(others)}); name sets by digest in recipes, or delete it."]
