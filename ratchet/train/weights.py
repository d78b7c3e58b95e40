"""The model before training: load the seed, freeze towers, add LoRA; and the report of how it went."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ratchet import models
from ratchet.artifacts.manifest import ModelRef
from ratchet.errors import TrainError
from ratchet.recipe import LoraConfig as LoraOptions
from ratchet.recipe import TrainConfig
from ratchet.recipe.train import RL
from ratchet.train import options, saving, towers
from ratchet.train.report import LogRow, TrainReport, ends, visits
from ratchet.train.together import world

saved_dtype = models.saved_dtype


def load(seed_dir: Path, config: TrainConfig, settings: Any, named: ModelRef | None = None) -> tuple[Any, Any]:
    """(model, processor) for training, frozen towers frozen. Raises TrainError.

    What learns is float32, also where the device computes in less; what adapters lie on is in the device's precision.
    """
    options.check_device(config)
    if config.lora is not None and config.lora.save == "adapter":
        saving.base_of(seed_dir, named)
    computed: models.Dtype = "bfloat16" if settings.bf16 else "float16" if settings.fp16 else "float32"
    model, processor = models.load(seed_dir, computed if config.lora else "float32")
    if getattr(processor, "chat_template", None) is None:
        # TRL asks the processor alone.
        processor.chat_template = processor.tokenizer.chat_template
    if config.lora is None:
        towers.freeze(model, config.parameters.frozen)
    return model, processor


def adapter(config: TrainConfig, model: Any) -> Any:
    """PEFT's configuration, None for full weights. Raises TrainError."""
    if config.lora is None:
        return None
    from peft import LoraConfig

    targets = config.lora.targets
    return LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        exclude_modules=_without_adapters(config, config.lora, model),
        task_type="CAUSAL_LM",
    )


def learning(config: TrainConfig, model: Any) -> int:
    """How many weights will learn: those that are not frozen, or those of adapters, rank x (in + out) a layer."""
    if config.lora is None:
        return sum(p.numel() for p in model.parameters() if p.requires_grad)
    rank = config.lora.rank
    layers = (model.get_submodule(name) for name in _adapted(config, config.lora, model))
    return sum(rank * (layer.in_features + layer.out_features) for layer in layers)


def _without_adapters(config: TrainConfig, lora: LoraOptions, model: Any) -> str | None:
    """The pattern of modules that get no adapter although they are among the targets; None where there are none."""
    pattern = _left_out(config, lora, model)
    aimed, kept = _aimed(lora, model), _adapted(config, lora, model)
    if aimed and not kept:
        raise TrainError(
            f"all {len(aimed)} modules that train.lora.targets ({_listed(lora.targets)}) names lie in what gets no adapter "
            f"(first: {aimed[0]}; train.parameters.frozen is {', '.join(config.parameters.frozen) or 'empty'}, train.lora.vision "
            f"{str(lora.vision).lower()}); name others, or let these learn."
        )
    return pattern if len(kept) < len(aimed) else None


def _adapted(config: TrainConfig, lora: LoraOptions, model: Any) -> list[str]:
    """Names of the layers that get an adapter."""
    pattern = _left_out(config, lora, model)
    return [name for name in _aimed(lora, model) if pattern is None or not re.fullmatch(pattern, name)]


def _left_out(config: TrainConfig, lora: LoraOptions, model: Any) -> str | None:
    out = dict.fromkeys(config.parameters.frozen)
    if not lora.vision:
        out["vision"] = None
    return towers.find(model).pattern(out)


def _aimed(lora: LoraOptions, model: Any) -> list[str]:
    """Names of the linear layers that `targets` names; PEFT's all-linear leaves the head out."""
    ends = None if isinstance(lora.targets, str) else tuple(lora.targets)
    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and (module is not head if ends is None else any(name == end or name.endswith(f".{end}") for end in ends))
    ]


def _listed(targets: str | Sequence[str]) -> str:
    return targets if isinstance(targets, str) else ", ".join(targets)


def sizes(model: Any) -> tuple[int, int]:
    """(parameters of the model that is trained, those of them that learn)."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, _ in counts), sum(n for n, learns in counts if learns)


def report(
    config: TrainConfig,
    settings: Any,
    rows: int,
    log: Sequence[LogRow],
    counts: tuple[int, int],
    *,
    seconds: float,
    loop_seconds: float,
) -> TrainReport:
    """Put the report together. `counts` as from `sizes`."""
    if not log:
        raise TrainError(
            f"training ended without a step: {rows} rows, train.epochs {config.epochs:g}. Raise train.epochs."
        )
    first, last = ends([row.loss for row in log])
    return TrainReport(
        method=config.method,
        rows=rows,
        visits=_visits(config, settings, rows, log[-1].step),
        steps=log[-1].step,
        epochs=log[-1].epoch,
        tokens=log[-1].tokens,
        loss_first=first,
        loss_last=last,
        parameters=counts[0],
        trainable_parameters=counts[1],
        log=tuple(log),
        seconds=seconds,
        loop_seconds=loop_seconds,
    )


def _visits(config: TrainConfig, settings: Any, rows: int, steps: int) -> int:
    batch, accumulate = config.batch_size, settings.gradient_accumulation_steps
    if config.method in RL:
        # A batch counts completions; a prompt is visited once with all of its own.
        return int(steps * accumulate * batch // config.reinforcement.k)
    return visits(world().visited(rows, batch), batch, accumulate, steps, drop_last=settings.dataloader_drop_last)
