"""Train on what carries a signal: groups that differ, answers that are alike once, and a supervised term on right ones.

Zero variance (DAPO, arXiv 2503.14476): the completions of a group that all earned the same have advantage 0. They are left
out of the passes and of the counts that normalise the loss. With a price of divergence they pay it all the same: GRPO's
KL and entropy terms are over all rows as in TRL, and only the count that its policy term is divided by leaves rows out;
in RLOO, whose rewards contain the divergence, every row with a reward counts.

Alike: answers of a group that are the same tokens and earned the same have the same advantage A and the same ratio, so n
rows of loss A f are one row of n A f. Exact for each of TRL's losses, which are linear in A given its sign; not with a KL
or an entropy term, where all rows stay.

Processes: what a loss is divided by is counted over all of them, and over the batches that a generation is cut into (bnpo:
its own batch's tokens), so n processes have the loss of one. Each passes as many rows as the one with the most; rows of mask
0 and advantage 0 fill up. Where no row counts and there is no term by row, the gradient is 0.

Supervised term: L = L_rl + w L_sft with L_sft = -(1/|K|) sum over o in K of (1/|o|) sum_t log p(o_t | q, o_<t), where K are
the distinct right answers of the step's groups that differ (SRFT, arXiv 2506.19767, on the policy's own answers).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ratchet.train.rl import curves
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
DIVIDED_BY = dict.fromkeys(("grpo", "sapo", "dr_grpo", "luspo", "rloo"), "rows") | {"bnpo": "tokens"}
"""What TRL divides a loss by: a batch's rows or its tokens; the others by the tokens of the whole generation."""


def alike(inputs: Mapping[str, Any], rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first of each set of equal rows among `rows`, and how many there are of each."""
    if not len(rows):
        return rows, rows
    key = torch.cat([inputs["advantages"].float().contiguous().view(torch.int32)[:, None].long(), _said(inputs)], 1)
    _, place, counts = torch.unique(key[rows], dim=0, return_inverse=True, return_counts=True)
    first = torch.full((len(counts),), len(rows), device=rows.device)
    first = first.scatter_reduce(0, place, torch.arange(len(rows), device=rows.device), "amin")
    order = first.argsort()
    return rows[first[order]], counts[order]


def _said(inputs: Mapping[str, Any]) -> torch.Tensor:
    """One line of numbers a row; rows of a group that say the same have the same."""
    return torch.cat([inputs["group"][:, None].long(), inputs["completion_ids"], inputs["completion_mask"]], 1)


def distinct(inputs: Mapping[str, Any], chosen: torch.Tensor) -> torch.Tensor:
    """For each `chosen` row 1 / (rows that say the same), for others 0: the sum is the number of distinct answers.

    Answers that are masked altogether say nothing.
    """
    chosen = chosen & inputs["completion_mask"].bool().any(dim=1)
    weights = torch.zeros(len(chosen), device=chosen.device)
    if bool(chosen.any()):
        _, place, counts = torch.unique(_said(inputs)[chosen], dim=0, return_inverse=True, return_counts=True)
        weights[chosen] = 1.0 / counts[place]
    return weights


def share(loss: str, passed: Mapping[str, float], counted: Mapping[str, float]) -> float:
    """What advantages are multiplied by, so that their sum is divided by what is `counted`, not by what was `passed` to TRL.

    Both hold rows, tokens and generated (tokens of the generation), as means over processes; see DIVIDED_BY.
    """
    by = DIVIDED_BY.get(loss, "generated")
    return passed[by] / counted[by] if counted[by] else 0.0


def padded(inputs: Mapping[str, Any], rows: torch.Tensor, times: torch.Tensor, number: int) -> dict[str, Any]:
    """The batch with these rows, each standing for so many, and up to `number` rows that weigh nothing in loss and means."""
    spare = number - len(rows)
    found = selected(inputs, torch.cat([rows, rows.new_zeros(spare)]))
    found["times"] = torch.cat([times, times.new_zeros(spare)])
    live = found["times"] > 0
    found["completion_mask"] = found["completion_mask"] * live[:, None]
    # RLOO's ratio is of whole answers: masked ones have log-probability 0, before as now.
    for name in ("advantages", "right", "old_logps"):
        if found.get(name) is not None:
            found[name] = found[name] * live
    return found


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


def supervised(logps: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor, number: float) -> torch.Tensor:
    """The weighted sum over rows (rows x tokens) of their mean token loss, by `number`; 0 where that is 0.

    `weights` are those of `distinct` and `number` their sum, over all batches and processes and as a mean over these.
    """
    if not number:
        return logps.sum() * 0.0
    per_row = -(logps * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return (per_row * weights).sum() / number


class Active:
    """Mixed into TRL's online trainers, before them. `drop` false: groups without variance stay in.

    `earned` is the reward function; it knows which rows count and which are right.
    """

    drop: bool = True
    sft_weight: float = 0.0
    earned: Earned
    _logps: torch.Tensor
    _entropies: torch.Tensor | None

    def _generate_and_score_completions(self, inputs: list[Any]) -> dict[str, Any]:
        trainer: Any = self
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        device, rows = batch["advantages"].device, len(batch["advantages"])
        batch["group"] = torch.arange(rows, device=device) // trainer.num_generations
        differs = torch.tensor(self.earned.counts if self.drop else [True] * rows, device=device)
        right = torch.tensor([one.passed is True for one in self.earned.last], device=device)
        batch["right"] = distinct(batch, right & differs)
        priced = self.drop and self._kind() == "rloo" and trainer.beta
        batch["counts"] = torch.tensor(self.earned.scored, device=device) if priced else differs
        return {**batch, **self._counted(batch)}

    def _counted(self, batch: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """Means over processes and the batches that this generation is cut into; scalars, which TRL does not cut."""
        trainer: Any = self
        tokens, counts = batch["completion_mask"].sum(dim=1), batch["counts"]
        sums = [counts.sum(), (tokens * counts).sum(), tokens.sum(), batch["right"].sum()]
        means = trainer.accelerator.reduce(torch.stack([one.float() for one in sums]), reduction="mean")
        cut = trainer.args.steps_per_generation if trainer.model.training else 1
        names = ("rows_counted", "tokens_counted", "tokens_drawn", "right_counted")
        return dict(zip(names, (means / cut).unbind(), strict=True))

    def _get_per_token_logps_and_entropies(self, *given: Any, **named: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*given, **named)  # type: ignore[misc]
        self._logps, self._entropies = found[0], found[1]
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        trainer: Any = self
        fewer = self._fewer(inputs)
        loss: torch.Tensor = super()._compute_loss(model, fewer)  # type: ignore[misc]
        if self._kind() == "bnpo":
            # TRL divides by this process's tokens, and the gradients of processes are averaged.
            own = float(fewer["completion_mask"].sum())
            loss = loss * (own / (self._mean(own) or 1.0))
        if not self._terms_by_row():
            self._tell(fewer)
        if not self.sft_weight:
            return loss
        weights = fewer["right"] * fewer["times"]
        term = supervised(self._logps, fewer["completion_mask"], weights, float(fewer["right_counted"]))
        trainer._metrics["train"]["sft_loss"].append(self._mean(float(term.detach())))
        return loss + self.sft_weight * term / self._divided()

    def _kind(self) -> str:
        return getattr(self, "loss_type", "rloo")

    def _divided(self) -> float:
        """GRPO divides its loss by the accumulated batches itself; for RLOO, transformers does."""
        trainer: Any = self
        return 1.0 if self._kind() == "rloo" else float(trainer.current_gradient_accumulation_steps)

    def _mean(self, value: float) -> float:
        """Over the processes."""
        trainer: Any = self
        own = torch.tensor(value, dtype=torch.float32, device=trainer.accelerator.device)
        return float(trainer.accelerator.reduce(own, reduction="mean"))

    def _fewer(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The rows that count, those that are alike once, as many in each process; or all, where a term is by row."""
        all_stay = self._terms_by_row()
        fewer = {**inputs, "times": inputs["counts"].long()} if all_stay else self._once(inputs)
        fewer["advantages"] = fewer["advantages"] * fewer["times"] * self._share(inputs, fewer)
        return fewer

    def _once(self, inputs: dict[str, Any]) -> dict[str, Any]:
        trainer: Any = self
        every = torch.arange(len(inputs["advantages"]), device=inputs["advantages"].device)
        unsplit = any(inputs.get(name) is not None for name in UNSPLIT)
        rows, times = (every, inputs["counts"].long()) if unsplit else alike(inputs, every[inputs["counts"]])
        # At least one: all processes must pass forwards and backwards.
        own = torch.tensor(max(len(rows), 1), device=every.device)
        number = int(trainer.accelerator.reduce(own, reduction="max"))
        return {**inputs, "times": times} if unsplit else padded(inputs, rows, times, number)

    def _share(self, inputs: dict[str, Any], fewer: dict[str, Any]) -> float:
        kind = self._kind()
        passed = {"rows": float(len(fewer["advantages"])), "generated": float(inputs["tokens_drawn"])}
        counted = {"rows": float(inputs["rows_counted"]), "generated": float(inputs["tokens_counted"])}
        if kind == "bnpo":
            tokens = inputs["completion_mask"].sum(dim=1)
            passed["tokens"] = self._mean(float(fewer["completion_mask"].sum()))
            counted["tokens"] = self._mean(float((tokens * inputs["counts"]).sum()))
        return share(kind, passed, counted)

    def _tell(self, fewer: Mapping[str, Any]) -> None:
        """Put what TRL logs of the passed rows right: means over the answers they stand for."""
        trainer: Any = self
        told = trainer._metrics["train" if trainer.model.training else "eval"]
        for name, value in curves.of(trainer, self._kind(), fewer, self._logps.detach(), self._entropies).items():
            sums = curves.sums(value, fewer["completion_mask"], fewer["times"])
            told[name][-1] = curves.mean(trainer.accelerator.reduce(sums, reduction="sum"))

    def _terms_by_row(self) -> bool:
        """Whether the loss has terms that an advantage does not weigh. RLOO's divergence is in its rewards."""
        trainer: Any = self
        if self._kind() == "rloo":
            return False
        return bool(trainer.beta or trainer._entropy_bonus_enabled or trainer.top_entropy_quantile < 1)
