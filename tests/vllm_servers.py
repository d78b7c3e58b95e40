"""A real vLLM server over the shipped seed, for slow tests: started once a session and only when a test asks for it.

It takes a minute to start. Its log is in the session's temporary folder; a server that does not come up says its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import ratchet.tinyworld
from ratchet.services.vllm_server import Served, vllm_server

SEED_FOLDER = Path(ratchet.tinyworld.__file__).parent / "seed"


@pytest.fixture(scope="session", name="vllm_server")
def served_seed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The shipped seed in float32 behind vLLM's OpenAI-compatible server on loopback."""
    pytest.importorskip("vllm", reason="the set `inference` is not installed")
    with vllm_server(SEED_FOLDER, tmp_path_factory.mktemp("vllm")) as served:
        yield served
