"""What the tasks of a pipeline leave when they fail, and that finish tells the failure which stands."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ratchet import canonical, kfp_io, rounds
from ratchet.artifacts import Manifest
from ratchet.errors import ManifestMissing, SamplingError
from ratchet.finish.stage import end_of
from ratchet.generate.merging import shard_prefix
from ratchet.rounds import Ticket
from ratchet.settings import Settings
from ratchet.stage import StageContext
from ratchet.store import open_store
from tests.unit.loops import LOOP, ROWS, Row, new_loop, opened

SILENT = "generate: it left no manifest and no message: its process was killed, or never started"


class Pipeline:
    """The tasks of generate as KFP calls them, in one process. `broken` shards raise what is named there."""

    def __init__(self, folder: Path) -> None:
        self.settings: Settings = new_loop(folder)
        self.store = open_store(self.settings.root)
        self.ticket: Ticket = opened(self.settings)
        self.folder = folder
        self.broken: dict[int, Exception] = {}
        self.opened = self.artifact("opened")
        Path(self.opened.path).write_bytes(canonical.pretty(self.ticket.model_dump(mode="json")))

    def artifact(self, name: str) -> Any:
        return SimpleNamespace(path=str(self.folder / name), metadata={}, log_metric=lambda name, value: None)

    def work(self, context: StageContext, number: int) -> Manifest:
        if number in self.broken:
            raise self.broken[number]
        writer = context.writer(ROWS)
        writer.prefix = shard_prefix(context, number)
        writer.write(0, [Row(text=str(number))])
        return writer.commit()

    def shard(self, number: int) -> Any:
        out = self.artifact(f"shard-{number}")
        kfp_io.run_shard(self.opened, number, out, self.artifact("metrics"))
        return out

    def merge(self, *shards: Any) -> None:
        kfp_io.run_merge(self.opened, shards, self.artifact("merged"), self.artifact("metrics"))

    @property
    def reason(self) -> str:
        return end_of(self.store, self.ticket).reason


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    made = Pipeline(tmp_path)
    for name, value in made.settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("ratchet.generate.stage.run_shard", made.work)
    return made


def test_a_mended_shard_is_not_blamed_for_one_that_was_killed(pipeline: Pipeline) -> None:
    pipeline.broken[0] = SamplingError("no answer")
    with pytest.raises(SamplingError):
        pipeline.shard(0)
    assert pipeline.reason == "generate: shard 0: SamplingError: no answer"
    pipeline.broken.clear()
    pipeline.shard(0)
    # Shard 1 was killed: it left nothing at all.
    assert pipeline.reason == SILENT


def test_every_shard_that_stays_broken_is_told_by_its_number(pipeline: Pipeline) -> None:
    pipeline.broken = {0: SamplingError("no answer"), 2: SamplingError("no answer"), 3: ValueError("bad row")}
    for number in range(4):
        if number in pipeline.broken:
            with pytest.raises((SamplingError, ValueError)):
                pipeline.shard(number)
        else:
            pipeline.shard(number)
    assert pipeline.reason == "generate: shard 0, shard 2: SamplingError: no answer; shard 3: ValueError: bad row"
    said = rounds.read_failures(pipeline.store, LOOP, pipeline.ticket.number, pipeline.ticket.job)
    assert list(said) == ["generate"]


def test_a_merge_that_fails_is_told_as_the_merge(pipeline: Pipeline) -> None:
    with pytest.raises(ManifestMissing, match="1 of 1 shards"):
        pipeline.merge()
    assert pipeline.reason.startswith("generate: merge: ManifestMissing: 1 of 1 shards")
