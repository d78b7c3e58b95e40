"""MLflow's variables as ratchet sets them, for one test at a time."""

from __future__ import annotations

import pytest

from ratchet.registry.mlflow_registry import MANNERS


@pytest.fixture(autouse=True)
def _mlflow_manners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    for name, value in MANNERS.items():
        monkeypatch.setenv(name, value)
