"""Groups, rows and a random model for the training tests; models are made once a session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet.artifacts import ImageBank
from ratchet.recipe import TrainConfig
from ratchet.records import Group
from ratchet.store.folder import FolderStore
from ratchet.train.launchers.trainjob import following
from ratchet.train.launchers.trainjob import jobs as job_module
from ratchet.train.launchers.trainjob import launcher as launching
from ratchet.train.rows import ROWS, joined
from tests import tiny
from tests.fake_cluster import cluster
from tests.unit.train import builders
from tests.unit.train.builders import SKILLS, Rows, group_of
from tests.unit.train.trainjobs import Trial, trial


@pytest.fixture(scope="session")
def seed_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("seed") / "model")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    return FolderStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def groups() -> list[Group]:
    prompts, _ = tiny.world("pool", 60, SKILLS)
    return [group_of(prompt) for prompt in prompts]


@pytest.fixture(scope="session")
def bank(store: FolderStore) -> ImageBank:
    return tiny.bank(store, tiny.world("pool", 60, SKILLS)[1])


@pytest.fixture
def rows_of(bank: ImageBank, groups: Sequence[Group], tmp_path: Path) -> Rows:
    """The data set of a method, over the first `n` groups."""

    def make(method: str = "sft", n: int = 60) -> Any:
        return joined(ROWS[method](groups[:n], builders.recipe_of(method)), bank, tmp_path / f"{method}-{n}.arrow")

    return make


@pytest.fixture
def sft() -> TrainConfig:
    return TrainConfig(epochs=6, batch_size=16, learning_rate=2e-3)


@pytest.fixture
def dpo() -> TrainConfig:
    return TrainConfig(method="dpo", epochs=1, batch_size=8, learning_rate=5e-4, loss=("sigmoid", "sft"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """A stage whose launcher makes TrainJobs on a fake cluster, in a hurry."""
    monkeypatch.setattr(launching, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(job_module, "GONE_SECONDS", 10.0)
    monkeypatch.setattr(following, "LAST_SECONDS", 0.5)
    monkeypatch.setenv("RATCHET_LEASE_SECONDS", "0.3")
    with cluster(tmp_path, monkeypatch) as fake, trial(tmp_path, fake) as made:
        yield made
