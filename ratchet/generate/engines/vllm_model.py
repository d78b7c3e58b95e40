"""What must be known of a model before vLLM starts: its processor, end tokens, positions, and that its weights fit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ratchet import models
from ratchet.errors import ModelError
from ratchet.generate.engines.local import end_tokens, max_positions

LOCAL: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
UNREADABLE = (OSError, ValueError, KeyError, ImportError, AttributeError)


def described(folder: Path) -> tuple[Any, list[int], int]:
    """Processor, end tokens and positions, as TransformersEngine has them, without loading weights.

    Raises ModelError for what does not load, and SamplingError for a model without end tokens.
    """
    from transformers import AutoConfig, AutoProcessor, GenerationConfig

    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} holds no config.json, so it is no model folder; give one that `save_pretrained` wrote."
        )
    try:
        config = AutoConfig.from_pretrained(folder, **LOCAL)
        processor = AutoProcessor.from_pretrained(folder, **LOCAL)
        own = (folder / "generation_config.json").is_file()
        said = GenerationConfig.from_pretrained(folder) if own else GenerationConfig.from_model_config(config)
    except UNREADABLE as error:
        raise ModelError(
            f"the config or processor of {folder} does not load ({_told(error)}). "
            "Save model, config and processor together."
        ) from error
    models.check_processor(folder, processor)
    ends = end_tokens(SimpleNamespace(generation_config=said), processor.tokenizer)
    if getattr(config, "quantization_config", None) is None:
        _check_weights(folder)
    return processor, ends, max_positions(config)


def _check_weights(folder: Path) -> None:
    """Raise ModelError unless config and weights fit: vLLM cuts weights that are too large, and answers nonsense.

    Only the names and shapes are read. Quantized weights have others than their config says, and are left to vLLM.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText

    try:
        with models.quietly():
            _, report = AutoModelForImageTextToText.from_pretrained(
                folder,
                device_map="meta",
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are in the report
                **LOCAL,
            )
    except (*UNREADABLE, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"the weights in {folder} do not fit its config.json, or are cut ({_told(error)}). "
            "Save model and config together."
        ) from error
    models.check_weights(folder, report)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
