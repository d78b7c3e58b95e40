"""Decoding between a model that sees the picture and the same model that does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Mixer:
    """A logits processor: scores become (1 - w) log p(y | picture) + w log p(y | no picture) at temperature 1.

    w = 1 - (1 - weight) exp(-forget t) at the answer's token t = 0, 1, ...: with forget 0 the constant mix of judge-free
    preference data, with forget > 0 the picture fades as the answer grows (M3ID, arXiv 2403.14003, runs it backwards to
    keep the picture; a negative weight does that: contrastive decoding, VCD, arXiv 2311.16922). The second model reads
    the text alone, with a cache of its own: one more forward pass a token.

    `blind` are the tensors of the prompts without pictures (rows x tokens, padded on the left); each row has `n` answers.
    """

    def __init__(self, model: Any, blind: Mapping[str, torch.Tensor], n: int, weight: float, forget: float) -> None:
        self._model = model
        self._ids = blind["input_ids"].repeat_interleave(n, dim=0)
        self._mask = blind["attention_mask"].repeat_interleave(n, dim=0)
        self._weight, self._forget = weight, forget
        self._cache: Any = None
        self._token = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        share = 1 - (1 - self._weight) * math.exp(-self._forget * self._token)
        seen, unseen = scores.log_softmax(-1), self._unseen(input_ids).log_softmax(-1)
        self._token += 1
        mixed: torch.Tensor = (1 - share) * seen + share * unseen
        return mixed

    def _unseen(self, input_ids: torch.Tensor) -> torch.Tensor:
        """The blind model's logits for the next token (rows x vocabulary)."""
        import torch

        if self._cache is None:
            ids = self._ids
        else:
            ids = input_ids[:, -1:]
            self._mask = torch.cat([self._mask, torch.ones_like(ids)], dim=1)
        places = (self._mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        read = self._model(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=places,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._cache = read.past_key_values
        logits: torch.Tensor = read.logits[:, -1].to(torch.float32)
        return logits
