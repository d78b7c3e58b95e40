"""The estimate where processes share a model of 7 billion weights, and where vLLM shares a GPU. Nothing of it is in memory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlavaConfig, LlavaForConditionalGeneration

from ratchet.errors import TrainError
from ratchet.recipe import LoraConfig, ReinforcementConfig, TrainConfig
from ratchet.train import memory

GIB = 1 << 30
BATCH = memory.Batch(sequences=1, tokens=1024, patches=576, new=64)


@pytest.fixture(scope="module")
def seven() -> Any:
    """LLaVA 1.5 7B in float32, without its numbers."""
    with torch.device("meta"):
        return LlavaForConditionalGeneration(LlavaConfig())


def settings(**other: Any) -> Any:
    plain = {"device": torch.device("cuda"), "bf16": True, "fp16": False, "optim": "adamw_torch_fused", "beta": 0.0}
    return SimpleNamespace(**plain, gradient_checkpointing=True, gradient_accumulation_steps=1, **other)


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 80 GiB, of which 79 are free."""
    monkeypatch.setattr(memory, "holding", lambda *_: (0, 79 * GIB))
    monkeypatch.setattr(memory, "gpu_bytes", lambda: 80 * GIB)


def together(monkeypatch: pytest.MonkeyPatch, strategy: str, size: int = 8) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", str(size)), ("RATCHET_STRATEGY", strategy)):
        monkeypatch.setenv(name, value)


def test_gradients_take_the_place_of_activations_on_a_gpu_but_not_where_batches_are_accumulated(seven: Any) -> None:
    learn = sum(p.numel() for p in seven.parameters())
    found = memory.estimate(seven, TrainConfig(), settings(), BATCH).parts
    assert 0 < found["gradients"] == 4 * learn - found["activations and logits"]
    parts = SimpleNamespace(**{**vars(settings()), "gradient_accumulation_steps": 2})
    assert memory.estimate(seven, TrainConfig(), parts, BATCH).parts["gradients"] == 4 * learn


def test_eight_gpus_train_under_fsdp_what_one_cannot(seven: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(method="kto")
    one = memory.estimate(seven, config, settings(), BATCH)
    together(monkeypatch, "ddp")
    whole = memory.estimate(seven, config, settings(), BATCH)
    assert whole.parts == one.parts
    with pytest.raises(TrainError, match=r"share the model among several GPUs .* strategy: fsdp"):
        memory.check_memory(whole, config)

    together(monkeypatch, "fsdp")
    shared = memory.estimate(seven, config, settings(), BATCH)
    for part in ("weights", "reference model", "optimiser state"):
        assert shared.parts[part] == whole.parts[part] // 8 > 0
    assert shared.parts["activations and logits"] == whole.parts["activations and logits"]
    memory.check_memory(shared, config)


def test_under_fsdp_two_layers_and_what_lies_in_none_are_whole_for_a_moment(
    seven: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer of Llama 7B: attention 4 h^2, gated MLP 3 h x 11008, two norms; beside them embeddings, head, norms, projector."""
    layer = 4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096
    beside = 2 * 32000 * 4096 + 4096 + (1024 + 1) * 4096 + (4096 + 1) * 4096 + 2 * 2 * 1024
    together(monkeypatch, "fsdp")
    found = memory.estimate(seven, TrainConfig(), settings(), BATCH)
    assert found.parts["gathered weights and gradients"] == 2 * 2 * (2 * layer + beside)
    frozen = memory.estimate(seven, TrainConfig(lora=LoraConfig()), settings(), BATCH)
    assert frozen.parts["gathered weights and gradients"] == 2 * (2 * layer + beside)


def test_more_processes_are_named_where_fsdp_is_not_enough(seven: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    together(monkeypatch, "fsdp", 2)
    monkeypatch.setattr(memory, "holding", lambda *_: (0, 40 * GIB))
    found = memory.estimate(seven, TrainConfig(), settings(), BATCH)
    with pytest.raises(TrainError, match=r"more processes than 2 \(launcher.processes, launcher.nodes\)"):
        memory.check_memory(found, TrainConfig())


@pytest.mark.parametrize(
    ("mode", "asleep", "share"), [("colocate", False, 24 * GIB), ("colocate", True, None), ("server", False, 0)]
)
def test_vllm_beside_the_learner_takes_its_share_of_the_gpu(
    mode: str, asleep: bool, share: int | None, seven: Any
) -> None:
    config = TrainConfig(method="grpo", batch_size=8, rl=ReinforcementConfig(k=8), lora=LoraConfig())
    served = {"use_vllm": True, "vllm_mode": mode, "vllm_gpu_memory_utilization": 0.3, "vllm_enable_sleep_mode": asleep}
    found = memory.estimate(seven, config, settings(**served), BATCH).parts
    step = found["activations and logits"] + found["gradients"]
    assert found["rollouts"] == (24 * GIB - step if share is None else share)
    assert 0 < step < 24 * GIB
    own = memory.estimate(seven, config, settings(use_vllm=False), BATCH).parts["rollouts"]
    assert own == memory.rollouts(seven, BATCH, 2)
