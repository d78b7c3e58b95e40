"""TRL's DPOTrainer with the losses that it has not, and without a reference model where none is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from trl import DPOTrainer
from trl.trainer.utils import use_adapter

from ratchet.recipe import PictureTermsConfig, TrainConfig
from ratchet.recipe.training.preference import OWN_LOSSES
from ratchet.train.preference import losses
from ratchet.train.preference.collating import BAD, CLEAN, CONTENT, ROWS

IGNORED = -100


class Uniform(torch.nn.Module):  # type: ignore[misc]
    """A reference model that finds everything equally likely, in no memory: log pi_ref is 0, and log-ratios are log pi."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def __call__(self, *, labels: Tensor, **_: Any) -> SimpleNamespace:
        """Zeros of the shape of a model's log-likelihoods per token. TRL replaces `forward`, so this goes before it."""
        return SimpleNamespace(log_probs=torch.zeros_like(labels[:, 1:], dtype=torch.float32))

    def forward(self) -> None:
        """Never called."""


class PreferenceTrainer(DPOTrainer):  # type: ignore[misc]
    """Adds to TRL's weighted losses our own ones (`train.loss`: simpo, stic) and the terms of `train.pictures`.

    TRL computes its part; the log-likelihoods that it works with are tapped, so that the pairs go through the models once.
    """

    def __init__(self, *, config: TrainConfig, **given: Any) -> None:
        self._own = [(n, w) for n, w in zip(config.losses, config.weights, strict=True) if n in OWN_LOSSES]
        self._gamma = config.anchor / 2 if config.simpo_gamma is None else config.simpo_gamma
        self._terms: PictureTermsConfig | None = config.pictures
        super().__init__(**given)

    def _compute_loss(self, model: Any, inputs: Mapping[str, Any], return_outputs: bool) -> Any:
        parts = {name: inputs[name] for name in (BAD, CLEAN, CONTENT) if name in inputs}
        pairs = {name: value for name, value in inputs.items() if name not in parts}
        # The wrapper of several processes counts on one forward a step; gradients of others reach its hooks as well.
        policy = model.module if isinstance(model, DistributedDataParallel) else model
        with self._tapped(policy) as seen:
            made = super()._compute_loss(model, pairs, return_outputs)
        mine, reference = seen[0], seen[1] if len(seen) > 1 else torch.zeros_like(seen[0])
        loss = made[0] if return_outputs else made
        loss = loss + self._own_losses(pairs["completion_mask"], mine)
        if self._terms is not None:
            loss = loss + self._picture_terms(policy, parts, (mine.sum(1) - reference.sum(1)).chunk(2)[0])
        return (loss, made[1]) if return_outputs else loss

    @contextmanager
    def _tapped(self, policy: Any) -> Iterator[list[Tensor]]:
        """Log-likelihoods per token that TRL sees within the block: the policy's, then the reference model's."""
        seen: list[Tensor] = []
        models = [policy, *([self.ref_model] if self.ref_model is not None else [])]
        hooks = [one.register_forward_hook(lambda _module, _given, out: seen.append(out.log_probs)) for one in models]
        try:
            yield seen
        finally:
            for hook in hooks:
                hook.remove()

    def _own_losses(self, mask: Tensor, policy: Tensor) -> Tensor:
        chosen, rejected = policy.sum(1).chunk(2)
        lengths = mask[:, 1:].sum(1).clamp(min=1).chunk(2)
        values = {
            "simpo": lambda: losses.simpo(chosen, rejected, lengths, self.beta, self._gamma),
            "stic": lambda: losses.stic(chosen),
        }
        told = [(weight, self._told(f"loss/{name}", values[name]().mean())) for name, weight in self._own]
        return sum((weight * value for weight, value in told), chosen.new_zeros(()))

    def _picture_terms(self, policy: Any, parts: Mapping[str, Any], chosen: Tensor) -> Tensor:
        """The terms' weighted sum. `chosen` are the rewards of the chosen answers; rows without a term's part add 0 to its mean."""
        terms, total = self._terms, chosen.new_zeros(())
        assert terms is not None
        if terms.anchor:
            anchored = losses.anchored(chosen, self.beta, terms.anchor_margin)
            total = total + terms.anchor * self._mean("anchor", anchored, chosen)
        if terms.conditional:
            total = total + terms.conditional * self._mean(
                "conditional", self._conditional(policy, parts, chosen), chosen
            )
        if terms.noised:
            total = total + terms.noised * self._mean("noised", self._noised(policy, parts, chosen), chosen)
        if terms.content:
            total = total + terms.content * self._mean("content", self._content(policy, parts, chosen), chosen)
        return total

    def _conditional(self, policy: Any, parts: Mapping[str, Any], chosen: Tensor) -> Tensor:
        good = bad = chosen.new_zeros(0)
        if BAD in parts:
            good, bad = chosen[parts[BAD][ROWS]], self._rewards(policy, parts[BAD])
        self._told("rewards/picture_margin", self.beta * (good - bad).sum() / max(len(good), 1))
        return losses.conditional(good, bad, self.beta)

    def _noised(self, policy: Any, parts: Mapping[str, Any], chosen: Tensor) -> Tensor:
        if BAD not in parts:
            return chosen.new_zeros(0)
        picked = self._rewards(policy, parts[CLEAN], self._picks(policy, parts[BAD], parts[CLEAN]))
        return losses.noised(chosen[parts[BAD][ROWS]], picked, self.beta)

    def _content(self, policy: Any, parts: Mapping[str, Any], chosen: Tensor) -> Tensor:
        if CONTENT not in parts:
            return chosen.new_zeros(0)
        batch = parts[CONTENT]
        return losses.content(self._logps(policy, batch).sum(1), batch["completion_mask"][:, 1:].sum(1).clamp(min=1))

    def _mean(self, name: str, values: Tensor, rows: Tensor) -> Tensor:
        """The mean over all rows of the batch, logged."""
        return self._told(f"loss/{name}", values.sum() / len(rows))

    def _told(self, name: str, value: Tensor) -> Tensor:
        mode = "train" if self.model.training else "eval"
        self._metrics[mode][name].append(self.accelerator.gather(value.detach()).mean().item())
        return value

    def _rewards(self, policy: Any, batch: Mapping[str, Any], labels: Tensor | None = None) -> Tensor:
        """log pi - log pi_ref of each row's answer, or of `labels` in its place."""
        with torch.no_grad(), self._reference() as reference:
            ours = self._logps(reference, batch, labels).sum(1)
        return self._logps(policy, batch, labels).sum(1) - ours

    @contextmanager
    def _reference(self) -> Iterator[Any]:
        """The reference model; with adapters the model without them."""
        if self.ref_model is not None:
            yield self.ref_model
            return
        base = self.accelerator.unwrap_model(self.model)
        with use_adapter(base, adapter_name="ref" if "ref" in base.peft_config else None):
            yield base

    def _logps(self, model: Any, batch: Mapping[str, Any], labels: Tensor | None = None) -> Tensor:
        """Log-likelihoods per token of the answers (or of `labels`), (rows, tokens - 1); 0 elsewhere."""
        wanted = _labels(batch) if labels is None else labels
        out = model(**_shown(batch), labels=wanted, fused_lm_head=True)
        logps: Tensor = out.log_probs[:, -(wanted.size(1) - 1) :]
        return logps

    def _picks(self, policy: Any, bad: Mapping[str, Any], clean: Mapping[str, Any]) -> Tensor:
        """Labels for `clean`: at each place of the answer the policy's likeliest token with the bad picture in view."""
        with torch.no_grad():
            likeliest = policy(**_shown(bad)).logits[:, :-1].argmax(-1)
        labels = torch.full_like(clean["input_ids"], IGNORED)
        # Both have the same answers, so the same numbers of tokens row by row, though pictures may differ in length.
        labels[clean["completion_mask"].bool()] = likeliest[bad["completion_mask"][:, 1:].bool()]
        return labels


def _labels(batch: Mapping[str, Any]) -> Tensor:
    labels: Tensor = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORED)
    return labels


def _shown(batch: Mapping[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in batch.items() if k not in ("completion_mask", ROWS)}, "use_cache": False}
