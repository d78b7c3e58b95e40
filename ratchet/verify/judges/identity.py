"""Who a judge is: what its replies depend on beside the question. Not where it runs, how fast, or at what price."""

from __future__ import annotations

from typing import Any

from ratchet import canonical
from ratchet.artifacts import ModelRef
from ratchet.recipe import EndpointConfig, JudgeConfig, TransformersConfig


def identity(config: JudgeConfig, ref: ModelRef | None, served: str | None = None) -> dict[str, Any]:
    """The judge as plain values. `ref` is its pinned model, or the seed that a server runs; `served` a server's name for it.

    How a reply is drawn (temperature, length) belongs to each question, see `asking.key_of`.
    """
    if isinstance(config.engine, EndpointConfig):
        who: dict[str, Any] = {
            "engine": "endpoint",
            "model": served or config.engine.model,
            "options": config.engine.options,
        }
        # A server that runs the seed may call it the same in each round.
        return {**who, "digest": ref.digest} if config.engine.serves == "seed" and ref is not None else who
    who = {"engine": config.engine.kind, "digest": ref.digest if ref is not None else None, "dtype": config.dtype}
    return who if isinstance(config.engine, TransformersConfig) else {**who, "options": config.engine.options}


def digest_of(who: dict[str, Any]) -> str:
    """Where the judge's replies lie in the store."""
    return canonical.digest(who)
