"""Open a verifier's own model, and say what it must be where it is something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ratchet import models
from ratchet.errors import ModelError

_LOCAL: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
_UNREADABLE = (OSError, ValueError, KeyError, ImportError, AttributeError, RuntimeError)


def opened(folder: Path, architecture: str, what: str) -> Any:
    """The model in `folder` by the named Auto class of transformers, in float32 and evaluation mode, on the GPU if there is one.

    Raises ModelError for what does not load, and for weights that are missing: they would be random.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    try:
        with models.quietly():
            model, report = getattr(transformers, architecture).from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **_LOCAL
            )
    except (*_UNREADABLE, SafetensorError) as error:
        raise ModelError(
            f"{folder} does not load as {what} ({type(error).__name__}: {' '.join(str(error).split())[:300]})."
        ) from error
    models.check_weights(folder, report)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def processed(folder: Path, what: str) -> Any:
    """The processor or tokenizer in `folder`. Raises ModelError where there is none."""
    from transformers import AutoProcessor

    try:
        with models.quietly():
            return AutoProcessor.from_pretrained(folder, **_LOCAL)
    except _UNREADABLE as error:
        raise ModelError(
            f"{folder} holds no processor or tokenizer for {what} ({type(error).__name__}: {' '.join(str(error).split())[:300]})."
        ) from error
