"""Who a judge is: what its replies depend on beside the question. Not how fast it is, or at what price.

Nothing tells what a server runs behind a name, so replies at another address are another judge's; but not where a server runs the
seed, whose digest is known.
"""

from __future__ import annotations

import os
from typing import Any

from ratchet import canonical
from ratchet.artifacts import ModelRef
from ratchet.generate.engines.endpoint_http import URL_ENV
from ratchet.recipe import EndpointConfig, JudgeConfig, TransformersConfig


def identity(config: JudgeConfig, ref: ModelRef | None, served: str | None = None) -> dict[str, Any]:
    """The judge as plain values. `ref` is its pinned model, or the seed that a server runs; `served` a server's name for it,
    where the server was asked: then its address counts, which may be the environment's. A judge as the recipe names it has none.

    How a reply is drawn (temperature, length) belongs to each question, see `asking.key_of`.
    """
    if isinstance(config.engine, EndpointConfig):
        who: dict[str, Any] = {
            "engine": "endpoint",
            "model": served or config.engine.model,
            "options": config.engine.options,
        }
        if config.engine.serves == "seed" and ref is not None:
            # It may call the seed the same in each round.
            return {**who, "digest": ref.digest}
        return who if served is None else {**who, "url": config.engine.url or os.environ.get(URL_ENV)}
    who = {"engine": config.engine.kind, "digest": ref.digest if ref is not None else None, "dtype": config.dtype}
    return who if isinstance(config.engine, TransformersConfig) else {**who, "options": config.engine.options}


def digest_of(who: dict[str, Any]) -> str:
    """Where the judge's replies lie in the store."""
    return canonical.digest(who)
