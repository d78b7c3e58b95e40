"""Train on what carries a signal: groups that differ, answers that are alike once, and a supervised term on right ones.

Zero variance (DAPO, arXiv 2503.14476): the completions of a group that all earned the same have advantage 0. They are left
out of the passes and of the counts that normalise the loss.

Alike: answers of a group that are the same tokens and earned the same have the same advantage A and the same ratio, so n
rows of loss A f are one row of n A f. Exact for each of TRL's losses, which are linear in A given its sign; not with a KL
or an entropy term, where all rows stay.

Supervised term: L = L_rl + w L_sft with L_sft = -(1/|K|) sum over o in K of (1/|o|) sum_t log p(o_t | q, o_<t), where K are
the distinct right answers of the batch's groups that count (SRFT, arXiv 2506.19767, on the policy's own answers).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ratchet.train.rl.earned import Earned

BY_ROW = (
    *("prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "advantages", "old_per_token_logps"),
    *("ref_per_token_logps", "pixel_attention_mask", "group", "right", "counts", "importance_sampling_ratio"),
    *("old_logps",),
    *("sampling_per_token_logps", "token_type_ids", "mm_token_type_ids", "tool_mask"),
)
BY_IMAGE = ("image_sizes", "image_position_ids", "image_grid_thw")
UNSPLIT = ("spatial_shapes", "num_tiles")
"""Where these are among a batch's tensors, pictures are cut into tiles whose rows this does not know: all rows stay."""
MEAN_OF_ROWS = ("grpo", "sapo", "dr_grpo", "luspo", "rloo")
"""Losses that divide by the number of rows; bnpo divides by their tokens, the others by the generation batch's."""


def alike(inputs: Mapping[str, Any], rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first of each set of equal rows among `rows`, and how many there are of each."""
    parts = [inputs["group"], inputs["advantages"].float().contiguous().view(torch.int32)]
    key = torch.cat([part[:, None].long() for part in parts] + [inputs["completion_ids"], inputs["completion_mask"]], 1)
    _, place, counts = torch.unique(key[rows], dim=0, return_inverse=True, return_counts=True)
    first = torch.full((len(counts),), len(rows), device=rows.device)
    first = first.scatter_reduce(0, place, torch.arange(len(rows), device=rows.device), "amin")
    order = first.argsort()
    return rows[first[order]], counts[order]


def share(inputs: Mapping[str, Any], rows: torch.Tensor, kept: torch.Tensor, loss: str) -> float:
    """What advantages of the `kept` rows are multiplied by, beside their counts, so that the loss is that of `rows`."""
    if loss in MEAN_OF_ROWS:
        return len(kept) / len(rows)
    if loss == "bnpo":
        tokens = inputs["completion_mask"].sum(dim=1)
        return float(tokens[kept].sum() / tokens[rows].sum().clamp(min=1))
    return 1.0


def selected(inputs: Mapping[str, Any], rows: torch.Tensor) -> dict[str, Any]:
    """The batch with these rows alone, and their pictures."""
    images = inputs.get("num_images")
    found = {name: value[rows] if name in BY_ROW else value for name, value in inputs.items()}
    if images is None:
        return found
    chosen = [images[row] for row in rows.tolist()]
    found["num_images"] = chosen
    starts = [0]
    for number in images:
        starts.append(starts[-1] + number)
    places = [place for row in rows.tolist() for place in range(starts[row], starts[row + 1])]
    for name in BY_IMAGE:
        if inputs.get(name) is not None:
            found[name] = inputs[name][places]
    found["pixel_values"] = _pixels(inputs, rows, images, places)
    return found


def _pixels(inputs: Mapping[str, Any], rows: torch.Tensor, images: list[int], places: list[int]) -> Any:
    pixels = inputs["pixel_values"]
    grid = inputs.get("image_grid_thw")
    if grid is not None:
        parts = pixels.split(grid.prod(dim=-1).tolist())
        return torch.cat([parts[place] for place in places])
    if pixels.size(0) == sum(images):
        return pixels[places]
    return pixels[rows]


def supervised(logps: torch.Tensor, mask: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """L_sft over the rows (rows x tokens) that are `right`; 0 where none is."""
    if not bool(right.any()):
        return logps.sum() * 0.0
    per_row = -(logps * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return per_row[right].mean()


class Active:
    """Mixed into TRL's online trainers, before them. `drop` false: groups without variance stay in.

    `earned` is the reward function; it knows which rows count and which are right.
    """

    drop: bool = True
    sft_weight: float = 0.0
    earned: Earned
    _logps: torch.Tensor

    def _generate_and_score_completions(self, inputs: list[Any]) -> dict[str, Any]:
        trainer: Any = self
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        device, rows = batch["advantages"].device, len(batch["advantages"])
        batch["group"] = torch.arange(rows, device=device) // trainer.num_generations
        batch["right"] = torch.tensor([one.passed is True for one in self.earned.last], device=device)
        counts = self.earned.counts if self.drop else [True] * rows
        batch["counts"] = torch.tensor(counts, device=device)
        if "num_items_in_batch" in batch:
            tokens = (batch["completion_mask"] * batch["counts"][:, None]).sum()
            batch["num_items_in_batch"] = trainer.accelerator.gather(tokens).sum()
        return batch

    def _get_per_token_logps_and_entropies(self, *given: Any, **named: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*given, **named)  # type: ignore[misc]
        self._logps = found[0]
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        trainer: Any = self
        inputs = self._fewer(inputs)
        loss: torch.Tensor = super()._compute_loss(model, inputs)  # type: ignore[misc]
        if not self.sft_weight:
            return loss
        term = supervised(self._logps, inputs["completion_mask"], inputs["right"] & inputs["counts"])
        trainer._metrics["train"]["sft_loss"].append(float(term.detach()))
        return loss + self.sft_weight * term / self._divided()

    def _divided(self) -> float:
        """GRPO divides its loss by the accumulated batches itself; for RLOO, transformers does."""
        trainer: Any = self
        return float(trainer.current_gradient_accumulation_steps) if hasattr(trainer, "loss_type") else 1.0

    def _fewer(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The rows that count, those that are alike once."""
        trainer: Any = self
        every = torch.arange(len(inputs["advantages"]), device=inputs["advantages"].device)
        if any(inputs.get(name) is not None for name in UNSPLIT):
            return {**inputs, "advantages": inputs["advantages"] * inputs["counts"]}
        rows = every[inputs["counts"]]
        if not len(rows):
            # One row of advantage 0: all processes must pass forwards and backwards.
            fewer = selected(inputs, every[:1])
            return {**fewer, "advantages": torch.zeros_like(fewer["advantages"])}
        if self._terms_by_row():
            return selected(inputs, rows)
        kept, counts = alike(inputs, rows)
        fewer = selected(inputs, kept)
        loss = getattr(trainer, "loss_type", "rloo")
        return {**fewer, "advantages": fewer["advantages"] * counts * share(inputs, rows, kept, loss)}

    def _terms_by_row(self) -> bool:
        """Whether the loss has terms that an advantage does not weigh. RLOO's divergence is in its rewards."""
        trainer: Any = self
        if not hasattr(trainer, "loss_type"):
            return False
        return bool(trainer.beta or trainer._entropy_bonus_enabled or trainer.top_entropy_quantile < 1)
