"""A trainer's state in host memory, as tensors and JSON, and back: weights that learn, optimiser, schedule, random states.

All is restored bit by bit, so that the step after is the one that would have been.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from ratchet.errors import TrainError
from ratchet.train import sharding
from ratchet.train.hooks import keepers

Tensors = dict[str, torch.Tensor]
COUNTERS = ("_total_train_tokens", "_step", "entropy_coef", "_last_world_entropy")
"""What TRL's trainers count by themselves, and transformers does not keep."""


@dataclass(frozen=True)
class Snapshot:
    """`tensors` by the name of their file; `state`, all else, is JSON."""

    step: int
    tensors: dict[str, Tensors]
    state: str


def take(trainer: Any) -> Snapshot:
    """A copy of all that changes as `trainer` trains, as it is after a step."""
    moments, optimizer = _optimizer(trainer)
    tensors = {"weights": weights(trainer.model), "optimizer": moments}
    if getattr(trainer.args, "sync_ref_model", False) and getattr(trainer, "ref_model", None) is not None:
        tensors["reference"] = weights(trainer.ref_model, every=True)
    # The log is kept once, by whoever watches; copying transformers' own would take longer with every step.
    progress = {field.name: getattr(trainer.state, field.name) for field in fields(trainer.state)} | {"log_history": []}
    state = {
        "trainer": progress,
        "optimizer": optimizer,
        "scheduler": trainer.lr_scheduler.state_dict(),
        "scaler": trainer.accelerator.scaler.state_dict() if trainer.accelerator.scaler is not None else None,
        "random": _gathered(_random_state()),
        "counters": {name: getattr(trainer, name) for name in COUNTERS if hasattr(trainer, name)},
        "kept": {name: one.kept() for name, one in keepers(trainer)},
    }
    return Snapshot(trainer.state.global_step, {name: some for name, some in tensors.items() if some}, _json(state))


def weights(model: Any, *, every: bool = False) -> Tensors:
    """Copies in host memory of the parameters that learn (or of every one), and of the buffers that are saved."""
    parameters = {name: p for name, p in model.named_parameters() if every or p.requires_grad}
    known = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    buffers = {name: value for name, value in model.state_dict().items() if name not in known}
    return {
        name: sharding.copied(value)
        for name, value in (parameters | buffers).items()
        if isinstance(value, torch.Tensor)
    }


def put_weights(model: Any, tensors: Mapping[str, torch.Tensor]) -> None:
    """Inverse of `weights`. Raises TrainError for names or shapes that the model does not have."""
    found = dict(model.named_parameters()) | dict(model.named_buffers())
    unfit = [name for name, value in tensors.items() if name not in found or found[name].shape != value.shape]
    if unfit:
        raise TrainError(
            f"{len(unfit)} of the checkpoint's {len(tensors)} weights do not fit the model (first: {unfit[0]}): it is of "
            "another model. Remove the stage's checkpoints folder and start again."
        )
    with torch.no_grad():
        for name, value in tensors.items():
            found[name].copy_(sharding.shared_as(value, found[name]))


def put_optimizer(optimizer: Any, moments: Mapping[str, torch.Tensor], plain: Mapping[str, Any]) -> None:
    learning = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {int(place): dict(rest) for place, rest in plain["state"].items()}
    for key, value in moments.items():
        place, _, name = key.partition(".")
        state.setdefault(int(place), {})[name] = sharding.shared_as(value, learning[int(place)])
    optimizer.load_state_dict({"state": state, "param_groups": plain["param_groups"]})


def put_random(states: list[dict[str, Any]], place: int) -> None:
    """The generators of the process that is `place` among those that train together."""
    ours = states[place]
    version, words, gauss = ours["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, position, has_gauss, cached = ours["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(_bytes(ours["torch"]))
    if torch.cuda.is_available() and ours["cuda"]:
        torch.cuda.set_rng_state(_bytes(ours["cuda"]))


def put_rest(trainer: Any, state: Mapping[str, Any]) -> None:
    """Counters, and what callbacks keep."""
    for name, value in state["counters"].items():
        setattr(trainer, name, value)
    for name, one in keepers(trainer):
        if name in state["kept"]:
            one.regain(state["kept"][name])


def not_finite(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """Names of those with a number that is none. By their extremes, which is forty times as fast as asking each number."""
    return [
        name
        for name, value in tensors.items()
        if value.is_floating_point() and value.numel() and not all(bool(end.isfinite()) for end in torch.aminmax(value))
    ]


def _optimizer(trainer: Any) -> tuple[Tensors, dict[str, Any]]:
    """An optimiser's tensors as "<parameter>.<name>", and the rest of its state."""
    whole = trainer.optimizer.state_dict()
    tensors: Tensors = {}
    rest: dict[str, dict[str, Any]] = {}
    for place, values in whole["state"].items():
        rest[str(place)] = {name: value for name, value in values.items() if not isinstance(value, torch.Tensor)}
        tensors |= {
            f"{place}.{name}": sharding.copied(value)
            for name, value in values.items()
            if isinstance(value, torch.Tensor)
        }
    return tensors, {"state": rest, "param_groups": whole["param_groups"]}


def _random_state() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [str(kind), np.asarray(keys).tolist(), *rest],
        "torch": _hex(torch.get_rng_state()),
        "cuda": _hex(torch.cuda.get_rng_state()) if torch.cuda.is_available() else "",
    }


def _gathered(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The states of all processes that train together, in their order."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [state]
    found: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(found, state)
    return found


def _hex(state: torch.Tensor) -> str:
    return bytes(state.cpu().numpy().tobytes()).hex()


def _bytes(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)


def _json(state: dict[str, Any]) -> str:
    """Not canonical, in which a number that is not finite would be lost. Raises TrainError for what JSON cannot hold, such as an
    optimiser's own classes."""
    try:
        return json.dumps(state)
    except (TypeError, ValueError) as error:
        raise TrainError(
            f"the training's state cannot be kept in a checkpoint: {error}. Choose another train.trl.optim or "
            "lr_scheduler_type, or set train.checkpoints.every: null."
        ) from error
