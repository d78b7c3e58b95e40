"""A verify stage whose rubric asks a served judge, over groups with real pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ratchet.artifacts import Manifest, write_pack
from ratchet.records import Group
from ratchet.rounds import Round
from ratchet.store import FolderStore
from tests import rows
from tests.judge_server import JudgeServer
from tests.unit.verify import staging

TEMPLATE = "{question} {answer}"


def said(text: str) -> str:
    """Threes are right."""
    return "5" if text.endswith(" 3") else "2"


def groups(n: int) -> list[Group]:
    """Three answers each, of which two are equal."""
    return [rows.group(i, ("3", "4", "3")) for i in range(n)]


class JudgedStage:
    """A store with `n` groups of generate in shards of four, and the round whose verify asks the server."""

    def __init__(self, folder: Path, server: JudgeServer, n: int = 11, salt: str = "salt", **engine: Any) -> None:
        self.store: FolderStore = staging.store_at(folder)
        pictures = [(rows.image_ref(i).sha256, rows.png((i % 256, i // 256 % 256, 7))) for i in range(n)]
        pack = write_pack(self.store, "images/pack.parquet", pictures)
        self.parent = staging.parent(self.store, "generate", groups(n), packs=[pack])
        self.round: Round = staging.round_at(self.store, {"verify": recipe(server.url, **engine)})
        self.round = self.round.model_copy(update={"salt": salt})

    def run(self) -> Manifest:
        return staging.run(self.store, self.round, "verify", generate=self.parent)

    def rows(self, manifest: Manifest) -> list[Group]:
        return staging.rows_of(self.store, manifest)

    def shards(self) -> int:
        return len(list(Path(self.store.root.removeprefix("file://")).rglob("verify-*/*.parquet")))


def recipe(url: str, **engine: Any) -> dict[str, Any]:
    served = {"kind": "endpoint", "url": url, "concurrency": 4, "retries": 0, **engine}
    return {
        "verifiers": [{"name": "rubric", "judge": "j", "criteria": {"score": 1}, "template": TEMPLATE}],
        "judges": {"j": {"engine": served, "price_in": 1.0, "price_out": 4.0, "max_new_tokens": 8}},
    }
