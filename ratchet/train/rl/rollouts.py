"""Completions from the model that learns: each prompt is tokenised and read once for all its k completions.

TRL hands its trainers every prompt k times and reads picture and question k times. The completions are drawn from the
same distribution here; `ratchet.generate.engines.prefill` says for which architectures the cache is shared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trl.trainer.utils import pad

from ratchet.generate.engines.prefill import SHARING, completions

if TYPE_CHECKING:
    import torch

Ids = list[list[int]]


class ReadOnce:
    """Mixed into TRL's online trainers. Groups lie together in a batch, so every k-th prompt is a new one.

    `with_logprobs`: whether the trainer takes (completions, their log-probabilities or None), or completions alone.
    """

    num_generations: int
    num_generations_eval: int
    with_logprobs: bool = True

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[Ids, Any, dict[str, Any]]:
        k = self._k()
        if not self._reads_once():
            return super()._tokenize_prompts(prompts)  # type: ignore[misc,no-any-return]
        ids, images, fields = super()._tokenize_prompts(prompts[::k])  # type: ignore[misc]
        repeated = None if images is None else [one for one in images for _ in range(k)]
        return [one for one in ids for _ in range(k)], repeated, fields

    def _reads_once(self) -> bool:
        """Where the cache may be shared, and the model is whole in this process; elsewhere TRL's own way is taken."""
        trainer: Any = self
        served = trainer.use_vllm or trainer.use_transformers_continuous_batching
        in_parts = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
        return not served and not in_parts and trainer.model.config.model_type in SHARING

    def _k(self) -> int:
        return self.num_generations if self.model.training else self.num_generations_eval  # type: ignore[attr-defined]

    def _sampled(self, prompt_ids: Ids, fields: dict[str, Any]) -> Ids:
        """Completions up to and with their end token; `fields` are of every k-th prompt."""
        import torch
        from trl.models import unwrap_model_for_generation

        trainer: Any = self
        k = self._k()
        inputs = self._inputs(prompt_ids[::k], fields)
        with (
            unwrap_model_for_generation(
                trainer.model_wrapped,
                trainer.accelerator,
                gather_deepspeed3_params=trainer.args.ds3_gather_for_generation,
                generation_kwargs=trainer.generation_kwargs,
                gradient_checkpointing_kwargs=trainer.args.gradient_checkpointing_kwargs,
            ) as model,
            torch.no_grad(),
        ):
            model.eval()
            made = completions(model, inputs, k, trainer.generation_config, [])
            model.train()
        return self._ended(made[:, inputs["input_ids"].shape[1] :])

    def _inputs(self, prompt_ids: Ids, fields: dict[str, Any]) -> dict[str, Any]:
        import torch

        trainer: Any = self
        rows = [torch.tensor(ids) for ids in prompt_ids]
        inputs = {
            "input_ids": pad(rows, padding_value=trainer._tokenizer.pad_token_id, padding_side="left"),
            "attention_mask": pad([torch.ones_like(row) for row in rows], padding_value=0, padding_side="left"),
        }
        for name, value in fields.items():
            inputs[name] = value if isinstance(value, torch.Tensor) else torch.tensor(value)
        return {name: value.to(trainer.accelerator.device) for name, value in inputs.items()}

    def _ended(self, tokens: torch.Tensor) -> Ids:
        import torch

        ends = torch.isin(tokens, torch.tensor(self.eos_token_ids, device=tokens.device))  # type: ignore[attr-defined]
        width = tokens.shape[1]
        lengths = torch.where(ends.any(dim=1), ends.int().argmax(dim=1) + 1, width).tolist()
        return [row[:n] for row, n in zip(tokens.tolist(), lengths, strict=True)]

    def _generate_single_turn(
        self, prompt_ids: Ids, images: Any, fields: dict[str, Any], *rest: Any, **named: Any
    ) -> Any:
        if not self._reads_once():
            return super()._generate_single_turn(prompt_ids, images, fields, *rest, **named)  # type: ignore[misc]
        made = self._sampled(prompt_ids, fields)
        return (made, None) if self.with_logprobs else made
