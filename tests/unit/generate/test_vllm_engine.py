"""What can be known without starting vLLM. Real engines and servers are in tests/e2e/test_vllm.py."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ratchet import recipe
from ratchet.artifacts import ImageBank
from ratchet.errors import ModelError, SamplingError, ServiceError
from ratchet.generate import SamplingParams
from ratchet.generate.engines.local import TransformersEngine
from ratchet.generate.engines.vllm_engine import VllmEngine, _check
from ratchet.generate.engines.vllm_model import described
from ratchet.recipe import VllmConfig
from ratchet.services import vllm_server as vllm_module
from ratchet.services.server import Server
from ratchet.services.vllm_server import Serving, command, vllm_server
from ratchet.store import FolderStore


@pytest.fixture
def bank(tmp_path: Path) -> ImageBank:
    return ImageBank(FolderStore(str(tmp_path)), [])


def changed(folder: Path, tmp_path: Path, file: str, **changes: Any) -> Path:
    """A copy of a model with other values in one of its JSON files; None takes a value out."""
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    found = json.loads((copy / file).read_text())
    for name, value in changes.items():
        where, _, inner = name.rpartition("__")
        (found[where] if where else found)[inner] = value
    (copy / file).write_text(json.dumps({name: value for name, value in found.items() if value is not None}))
    return copy


def test_without_vllm_the_engine_says_what_to_install(
    model_folder: Path, bank: ImageBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    before = dict(os.environ)
    with pytest.raises(SamplingError, match=r"requirements/inference\.lock.*pip install vllm.*engine to transformers"):
        VllmEngine(VllmConfig(), model_folder, bank, "tiny", 16)
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    "changes",
    [{}, {"eos_token_id": [3, 21]}, {"eos_token_id": None}],
    ids=["one end token", "two end tokens", "none of its own"],
)
def test_end_tokens_and_positions_are_those_of_the_other_engine(
    model_folder: Path, tmp_path: Path, bank: ImageBank, changes: dict[str, Any]
) -> None:
    folder = changed(model_folder, tmp_path, "generation_config.json", **changes)
    other = TransformersEngine(folder, bank, "tiny", 16)
    processor, ends, positions = described(folder)
    assert (ends, positions) == (other.ends, other.positions)
    assert processor.tokenizer.get_vocab() == other.processor.tokenizer.get_vocab()


def test_a_model_without_generation_config_ends_as_with_the_other_engine(
    model_folder: Path, tmp_path: Path, bank: ImageBank
) -> None:
    folder = changed(model_folder, tmp_path, "generation_config.json")
    (folder / "generation_config.json").unlink()
    assert described(folder)[1] == TransformersEngine(folder, bank, "tiny", 16).ends


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no file named model.safetensors"),
    "cut weights": (cut, "do not fit its config.json, or are cut"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "does not load"),
    "no processor": (lambda folder: (folder / "processor_config.json").unlink(), "does not load"),
    "no template": (lambda folder: (folder / "chat_template.jinja").unlink(), "no chat template"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_told_before_vllm_starts(model_folder: Path, tmp_path: Path, name: str) -> None:
    folder = changed(model_folder, tmp_path, "generation_config.json")
    damage, words = BROKEN[name]
    damage(folder)
    with pytest.raises(ModelError, match=words):
        described(folder)


@pytest.mark.parametrize("changes", [{"text_config__num_hidden_layers": 5}, {"text_config__head_dim": 16}])
def test_weights_that_do_not_fit_the_config_are_refused_because_vllm_would_cut_them(
    model_folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(ModelError, match=r"weights .* of another shape .* does not belong to its weights"):
        described(changed(model_folder, tmp_path, "config.json", **changes))


@pytest.mark.parametrize("temperature", [0.001, 2.5])
def test_temperatures_that_vllm_would_replace_are_refused(temperature: float) -> None:
    with pytest.raises(SamplingError, match=f"not at {temperature:g}"):
        _check(SamplingParams(temperature=temperature))


@pytest.mark.parametrize("temperature", [0.0, 0.01, 2.0])
def test_temperatures_that_vllm_takes_are_left(temperature: float) -> None:
    _check(SamplingParams(temperature=temperature))


@pytest.mark.parametrize(("name", "instead"), [("dtype", "generate.dtype"), ("max_model_len", "engine.max_model_len")])
def test_a_recipe_cannot_set_what_the_engine_sets_itself(name: str, instead: str) -> None:
    with pytest.raises(ValidationError, match=f"{name} is not an option: set .*{instead}"):
        VllmConfig(options={name: 1})


def test_a_recipe_chooses_vllm_by_name_or_with_its_settings() -> None:
    plain = recipe.load("name: a\ngenerate: {engine: vllm}")
    assert plain.generate.engine == VllmConfig()
    full = recipe.load("name: a\ngenerate: {engine: {kind: vllm, cpu_gib: 4, options: {block_size: 32}}}")
    assert full.generate.engine == VllmConfig(cpu_gib=4, options={"block_size": 32})


def test_the_server_gets_what_a_cpu_needs_and_a_gpu_does_not() -> None:
    on_cpu = command(Path("/m"), 8000, Serving(cpu_gib=0.5, options=("--max-num-seqs", "4")), on_cpu=True)
    on_gpu = command(Path("/m"), 8000, Serving(dtype="bfloat16"), on_cpu=False)
    assert on_cpu[-2:] == ["--max-num-seqs", "4"]
    assert {"--enforce-eager", "--no-enable-chunked-prefill", str(2**29)} <= set(on_cpu)
    assert not {"--enforce-eager", "--kv-cache-memory-bytes"} & set(on_gpu)
    assert on_gpu[on_gpu.index("--dtype") + 1] == "bfloat16"
    assert on_gpu[on_gpu.index("--host") + 1] == "127.0.0.1"


def test_without_vllm_the_server_says_what_to_install(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ratchet.services.vllm_server.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ServiceError, match=r"requirements/inference\.lock"), vllm_server(model_folder, tmp_path):
        pass


def test_the_end_of_the_server_is_the_end_of_its_whole_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ignores the request to stop, as does what it has started."""
    monkeypatch.setattr(vllm_module, "STOP_SECONDS", 0.3)
    stubborn = "trap '' TERM; (trap '' TERM; echo up; sleep 60) & wait; sleep 60"
    log = tmp_path / "log"
    server = Server("Test", ["sh", "-c", stubborn], {}, "token", lambda: "up" in log.read_text(), log, 20.0)
    server.spawn()
    server.wait()
    assert server.child is not None
    vllm_module._end(server)
    assert server.child.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while alive(server.child.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(server.child.pid)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
