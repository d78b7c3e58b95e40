"""The pipeline of a round: its wiring, what places its tasks, and what compiles it or runs it here.

On import kfp loads its client for servers, and kfp.kubernetes the whole Kubernetes client, of which it uses one model, to check a
node affinity, and imports it there again. Compiling needs neither: without them it takes two thirds of the time. Whoever asks for
`kfp.Client` or `kubernetes` afterwards gets the real ones.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_RUNTIME = "_KFP_RUNTIME"
"""The variable by which kfp knows that a component runs, and needs no client."""


def _import_kfp_without_clients() -> None:
    if {"kfp", "kubernetes"} & sys.modules.keys() or _RUNTIME in os.environ:
        return
    standing_in: Any = ModuleType("kubernetes")
    standing_in.client = ModuleType("kubernetes.client")
    try:
        os.environ[_RUNTIME] = "true"
        kfp: Any = import_module("kfp")
        # kfp.dsl asks the same variable whether it is to define what compiling needs.
        del os.environ[_RUNTIME]
        import_module("kfp.dsl")
        sys.modules["kubernetes"] = standing_in
        import_module("kfp.kubernetes")
    finally:
        os.environ.pop(_RUNTIME, None)
        if sys.modules.get("kubernetes") is standing_in:
            del sys.modules["kubernetes"]
    kfp.__getattr__ = _late


def _late(name: str) -> Any:
    """What kfp's package has when it is imported whole."""
    if name == "Client":
        return import_module("kfp.client").Client
    if name == "components":
        return import_module("kfp.components")
    raise AttributeError(f"module 'kfp' has no attribute {name!r}")


_import_kfp_without_clients()
