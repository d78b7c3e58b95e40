"""FSDP: each process has a part of every weight (Zhao et al. 2023, arXiv 2304.11277; here torch's FSDP2).

Accelerate shards on accelerators alone, and where processes compute on CPUs it trains with whole copies without a word.
FSDP2 itself works on both, over Gloo on CPUs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor, distribute_tensor

from ratchet import adapters, models
from ratchet.errors import TrainError
from ratchet.train.together import World, world


def allow_on_cpu() -> None:
    """Let accelerate shard in this process where there is no accelerator. Called before a trainer is made."""
    if torch.accelerator.is_available():
        return
    usual = AcceleratorState.__init__

    def prepared(self: Any, *given: Any, fsdp_plugin: Any = None, **named: Any) -> None:
        usual(self, *given, fsdp_plugin=fsdp_plugin, **named)
        if fsdp_plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
            self.fsdp_plugin = fsdp_plugin
            self.distributed_type = DistributedType.FSDP
            PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    AcceleratorState.__init__ = prepared


def check_sharded(trainer: Any, world: World) -> None:
    """Raise TrainError where the profile asks for shards and the trainer would train whole copies."""
    if world.size > 1 and world.strategy == "fsdp" and not trainer.is_fsdp_enabled:
        raise TrainError(
            f"launcher.strategy is fsdp, but accelerate does not shard on {trainer.accelerator.device.type} "
            f"({trainer.accelerator.distributed_type}); use ddp."
        )


def gathered(model: Any) -> int:
    """Weights of the model that a process has whole at once beside its part of all: two layers, as the next one is gathered while
    one computes, and what lies in no layer, such as embeddings. Layers are those that FSDP is told of, `_no_split_modules`."""
    kinds = set(getattr(model, "_no_split_modules", None) or ())
    layers = [module for module in model.modules() if type(module).__name__ in kinds]
    sizes = sorted((sum(p.numel() for p in layer.parameters()) for layer in layers), reverse=True)
    inside = {id(p) for layer in layers for p in layer.parameters()}
    return int(sum(p.numel() for p in model.parameters() if id(p) not in inside) + sum(sizes[:2]))


def whole(trainer: Any, seed_dir: Path) -> Any:
    """The model with all its weights, in the first process; None in the others. All processes call it together."""
    if not trainer.is_fsdp_enabled:
        return trainer.model if trainer.is_world_process_zero() else None
    state = trainer.accelerator.get_state_dict(trainer.model)
    if not trainer.is_world_process_zero():
        return None
    if hasattr(trainer.model, "peft_config"):
        return adapters.relaid(trainer.model, seed_dir, state)
    model, _ = models.load(seed_dir, "float32")
    model.load_state_dict(state)
    return model


def copied(value: torch.Tensor) -> torch.Tensor:
    """A copy in host memory. Of a tensor that is shared, all processes call this: the first has it whole, the others get one of
    its shape that takes no memory."""
    if not isinstance(value, DTensor):
        return value.detach().to("cpu", copy=True).contiguous()
    whole = value.detach().full_tensor()
    if world().first:
        return whole.to("cpu", copy=True).contiguous()
    return torch.zeros((), dtype=whole.dtype).expand(whole.shape)


def shared_as(value: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The value as `other` is shared among the processes, which all call this; the first one's counts."""
    if not isinstance(other, DTensor) or value.shape != other.shape:
        return value
    return distribute_tensor(value.to(other.device), other.device_mesh, other.placements)
