"""The log-probability of sampled tokens, read off while they are sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Likelihood:
    """A logits processor that changes nothing and notes log p(token) under the model at temperature 1.

    It sees the logits before temperature and cuts, and one step later which token was drawn: so it holds one step of
    logits, where `generate(output_logits=True)` would hold them all.
    """

    def __init__(self) -> None:
        self._before: torch.Tensor | None = None
        self._steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self._before is not None:
            self._steps.append(log_probability(self._before, input_ids[:, -1]))
        self._before = scores
        return scores

    def of(self, tokens: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (rows x steps) of the tokens that generate returned (rows x steps, without the prompt)."""
        import torch

        steps = tokens.shape[1]
        # The last token was never an input. An engine may have run some steps too many and cut them off again.
        last = [log_probability(self._before, tokens[:, -1])] if self._before is not None else []
        return torch.stack([*self._steps, *last][:steps], dim=1)


def log_probability(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """log p(token) of one token a row (rows), from logits (rows x vocabulary), in nats."""
    chosen = logits.gather(1, tokens[:, None]).squeeze(1)
    return (chosen - logits.logsumexp(dim=-1)).double()
