"""Pictures as vectors of a model: what its vision tower sees, one unit vector a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ratchet.errors import ModelError
from ratchet.models import quietly

if TYPE_CHECKING:
    from PIL.Image import Image

Vectors = npt.NDArray[np.float32]
Embed = Callable[[Sequence["Image"]], Vectors]


def open_embedder(folder: Path) -> Embed:
    """What turns pictures (RGB) into unit vectors, float32, one row each.

    A model with a picture embedding of its own (CLIP, SigLIP) gives that; of any other with a vision tower (Idefics3,
    SmolVLM, LLaVA) the tower's last hidden states are averaged, over a picture's parts where it is split. Raises ModelError
    for a model that has no image features.
    """
    import torch
    from transformers import AutoImageProcessor, AutoModel

    local: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        with quietly():
            model = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **local).eval()
            processor = AutoImageProcessor.from_pretrained(folder, **local)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise ModelError(
            f"{folder} does not load as a model that sees pictures ({type(error).__name__}: {str(error).splitlines()[0][:200]}). "
            "Give one with an image processor and safetensors, such as CLIP or SigLIP, or `seed`."
        ) from error
    if not hasattr(model, "get_image_features"):
        raise ModelError(
            f"{folder} holds a {type(model).__name__}, which gives no image features; give a model that does, such as CLIP or "
            "SigLIP, or `seed`."
        )

    def embed(pictures: Sequence[Image]) -> Vectors:
        with torch.inference_mode():
            # One list a picture, so that the parts of a picture that is split stay together.
            inputs = processor(images=[[one] for one in pictures], return_tensors="pt")
            asked = {name: inputs[name] for name in ("pixel_values", "pixel_attention_mask") if name in inputs}
            features = _pooled(model.get_image_features(**asked))
            found: Vectors = _by_picture(features, asked["pixel_values"]).numpy()
            return unit(found)

    return embed


def unit(vectors: Vectors) -> Vectors:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def _pooled(output: Any) -> Any:
    """One vector a picture or part of a picture."""
    pooled = getattr(output, "pooler_output", None)
    if pooled is not None and pooled.ndim == 2:
        return pooled
    return output.last_hidden_state.mean(dim=1)


def _by_picture(features: Any, pixels: Any) -> Any:
    """The mean over the parts of each picture. Parts that only fill up a batch are all zero, and the model leaves them out."""
    import torch

    if pixels.ndim == 4:
        return features
    real = (pixels != 0).flatten(2).any(dim=2).sum(dim=1)
    parts = torch.split(features, real.tolist())
    return torch.stack([part.mean(dim=0) if len(part) else features.new_zeros(features.shape[1]) for part in parts])
