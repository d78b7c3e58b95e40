"""MLflow's tracking server and registry, as the embedded default runs it: SQLite beside, artifacts in our S3."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ratchet.services.seaweed import BUCKET, answers
from ratchet.services.server import Server
from ratchet.services.settings import Settings

QUIET = {
    # The job runner costs a gigabyte and has nothing to do here.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "OMP_NUM_THREADS": "1",
}


def mlflow_server(folder: Path, settings: Settings, environment: Mapping[str, str]) -> Server:
    """The server over `folder`/mlflow.db. `environment` says where S3 is, as `Services.environment` does."""
    port = settings.ports["mlflow"]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", f"s3://{BUCKET}/mlflow", "--serve-artifacts"]
    return Server(
        name="MLflow",
        command=command,
        environment={**environment, **QUIET},
        token=settings.token,
        ready=lambda: answers(f"{settings.url('mlflow')}/health"),
        log=folder / "mlflow.log",
        patience=180.0,
    )
