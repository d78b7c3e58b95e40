"""Engines: what runs a model. Each is a module that is imported only where it is used."""

from __future__ import annotations

from pathlib import Path

from ratchet.artifacts import ImageBank
from ratchet.generate.engine import BatchHook, Engine
from ratchet.recipe import EndpointConfig, GenerateConfig, VllmConfig


def open_engine(
    config: GenerateConfig, folder: Path | None, bank: ImageBank, label: str, on_batch: BatchHook | None = None
) -> Engine:
    """Start the engine that `config` names, for the model in `folder`. Whoever opens it closes it.

    `folder` may be None for an endpoint, which has its model already. Raises ModelError and SamplingError.
    """
    engine = config.engine
    if isinstance(engine, EndpointConfig):
        from ratchet.generate.engines.endpoint import EndpointEngine

        return EndpointEngine(engine, bank, label, on_batch=on_batch)
    if folder is None:
        raise ValueError(f"engine {engine.kind} needs the model's folder")
    if isinstance(engine, VllmConfig):
        from ratchet.generate.engines.vllm_engine import VllmEngine

        return VllmEngine(engine, folder, bank, label, config.batch_size, config.dtype, on_batch=on_batch)
    from ratchet.generate.engines.local import TransformersEngine

    return TransformersEngine(folder, bank, label, config.batch_size, config.dtype, on_batch=on_batch)
