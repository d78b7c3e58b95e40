"""Where sampled answers are full: a row is done once a stop string is in what it has said.

transformers' own StopStringCriteria reads the vocabulary's strings, and fails on tokenizers that split at blanks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_TOKENS_A_CHARACTER = 4
"""At most: a character of UTF-8 is 4 bytes, and a token is at least one byte."""


class SaidOneOf:
    """A stopping criterion for `generate`: which rows' new tokens (from position `start` on) hold one of `stop`.

    Each step looks only as far back as a stop string can reach: earlier steps have seen the rest.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str], start: int) -> None:
        self._tokenizer, self._stop, self._start = tokenizer, tuple(stop), start
        self._reach = _TOKENS_A_CHARACTER * (max(map(len, self._stop)) + 1)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        import torch

        del scores
        tail = input_ids[:, max(self._start, input_ids.shape[1] - self._reach) :]
        texts = self._tokenizer.batch_decode(tail.tolist(), skip_special_tokens=True)
        done = [any(one in text for one in self._stop) for text in texts]
        return torch.tensor(done, device=input_ids.device)
