"""A CLIP- or SigLIP-like model: pictures and texts as vectors of one space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.artifacts import ImageBank
from ratchet.errors import DigestMismatch, ModelError, NotFound, PromptSetError
from ratchet.generate.engines.endpoint_reply import is_unicode
from ratchet.generate.engines.given import NOT_UNICODE
from ratchet.records import ImageRef
from ratchet.verify.measured.loading import opened, processed

if TYPE_CHECKING:
    import torch

WHAT = "an image-text model like CLIP or SigLIP (get_image_features, get_text_features)"
FILLED = ("siglip", "siglip2")
"""Architectures that were trained on texts padded to their full length, and want them so."""


class ImageText:
    """The model in `folder`, `batch_size` pictures or texts at once. Raises ModelError for another kind of model."""

    def __init__(self, folder: Path, batch_size: int) -> None:
        self.processor = processed(folder, WHAT)
        self.model = opened(folder, "AutoModel", WHAT)
        self.batch_size = batch_size
        if not all(hasattr(self.model, name) for name in ("get_image_features", "get_text_features")):
            raise ModelError(
                f"{folder} is a {self.model.config.model_type} and no {WHAT}; name one in verify.verifiers."
            )
        self.longest: int = self.model.config.text_config.max_position_embeddings

    def texts(self, texts: Sequence[str]) -> dict[str, torch.Tensor | str]:
        """A unit vector for each text, or `too_long: ...`: a cut text would be another one. Each is read once."""
        tokenizer = self.processor.tokenizer
        found: dict[str, torch.Tensor | str] = {}
        distinct = dict.fromkeys(texts)
        lengths = {text: len(tokenizer(text)["input_ids"]) for text in distinct if is_unicode(text)}
        found |= {text: f"refused: {NOT_UNICODE}" for text in distinct if text not in lengths}
        for text, n in lengths.items():
            if n > self.longest:
                found[text] = f"too_long: {n} tokens exceed the image-text model's {self.longest}"
        fits = sorted((text for text in lengths if text not in found), key=lambda text: (lengths[text], text))
        full = self.model.config.model_type in FILLED
        for part in self._parts(fits):
            padding = {"padding": "max_length", "max_length": self.longest} if full else {"padding": True}
            inputs = tokenizer(list(part), return_tensors="pt", padding_side="right", **padding)
            found |= dict(zip(part, self._vectors(self.model.get_text_features, inputs), strict=True))
        return found

    def pictures(self, bank: ImageBank, refs: Sequence[ImageRef]) -> dict[str, torch.Tensor | str]:
        """A unit vector for each picture by hash, or `picture: ...` for what cannot be read."""
        found: dict[str, torch.Tensor | str] = {}
        for part in self._parts(sorted({ref.sha256 for ref in refs})):
            read = {}
            for sha256 in part:
                try:
                    read[sha256] = bank.image(sha256)
                except (NotFound, DigestMismatch, PromptSetError) as error:
                    found[sha256] = f"picture: {error}"
            if read:
                inputs = self.processor.image_processor(list(read.values()), return_tensors="pt")
                found |= dict(zip(read, self._vectors(self.model.get_image_features, inputs), strict=True))
        return found

    def _parts(self, things: Sequence[str]) -> Iterator[Sequence[str]]:
        for start in range(0, len(things), self.batch_size):
            yield things[start : start + self.batch_size]

    def _vectors(self, features: Any, inputs: Any) -> Any:
        import torch

        with torch.inference_mode():
            made = features(**inputs.to(self.model.device))
            # transformers 5 gives the features inside of the tower's output.
            vectors = made if isinstance(made, torch.Tensor) else made.pooler_output
            return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu()
