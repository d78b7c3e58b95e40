"""Where this process works: the store and the registry, from the environment only. No key is ever read here."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ratchet.errors import RatchetError
from ratchet.records import Record

STORE_REGISTRY = "store"


class Settings(Record):
    """`root` is the store's URI; `registry` is "store" (JSON in the store) or an MLflow tracking URI."""

    root: str
    registry: str
    profile: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read RATCHET_ROOT and MLFLOW_TRACKING_URI (or RATCHET_REGISTRY). Raises RatchetError naming what is missing."""
        env = os.environ if environment is None else environment
        root = env.get("RATCHET_ROOT")
        if not root:
            raise RatchetError(
                "RATCHET_ROOT is not set: it says where artifacts live, as s3://bucket/prefix or a folder. "
                "Set it, or add `--embedded FOLDER`: a store and a registry of your own in that folder."
            )
        registry = env.get("RATCHET_REGISTRY") or env.get("MLFLOW_TRACKING_URI")
        if not registry:
            raise RatchetError(
                "no registry: set MLFLOW_TRACKING_URI to an MLflow server, or RATCHET_REGISTRY=store to keep versions as JSON in the store."
            )
        return cls(root=root, registry=registry, profile=env.get("RATCHET_PROFILE"))

    def environment(self) -> dict[str, str]:
        """The variables that lead another process to the same places."""
        return {"RATCHET_ROOT": self.root, "RATCHET_REGISTRY": self.registry}


def without_login(words: str) -> str:
    """The words with no user and password in the addresses that they name."""
    return re.sub(r"(?<=://)[^/\s@]+@", "***@", words)
