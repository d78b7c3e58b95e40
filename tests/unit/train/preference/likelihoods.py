"""Log-likelihoods computed row by row without TRL, and trainers that are one batch away from a loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ratchet import models
from ratchet.generate.chat import encode
from ratchet.recipe import TrainConfig
from ratchet.train import Job, dpo, weights

BETA = 0.3


class Pair:
    """A policy that has moved away from its reference, its trainer, and one batch of rows."""

    def __init__(self, config: TrainConfig, seed_dir: Path, rows: Any, folder: Path) -> None:
        settings = dpo.arguments(config, folder, 0)
        model, self.processor = weights.load(seed_dir, config, settings)
        self.reference = models.load(seed_dir)[0].eval()
        common = {
            "args": settings,
            "train_dataset": rows,
            "processing_class": self.processor,
            "peft_config": weights.adapter(config, model),
        }
        self.trainer = dpo._trainer(Job(config, seed_dir, rows, folder, 0), model, self.processor, common)
        self.rows = list(rows)
        torch.manual_seed(7)
        with torch.no_grad():
            for parameter in self.trainer.model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.02 * torch.randn_like(parameter))

    def loss(self) -> float:
        """The loss of all rows in one batch."""
        batch = self.trainer._prepare_inputs(self.trainer.data_collator(self.rows))
        with torch.no_grad():
            return float(self.trainer.compute_loss(self.trainer.model, batch))

    def tokens(self, prompt: Any, answer: Any, images: Sequence[Any]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """What the model is given for prompt and answer, and the answer's tokens."""
        shown = [{"type": "image"} for _ in images]
        said = [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in prompt]
        place = next(i for i, m in enumerate(said) if m["role"] == "user")
        said[place]["content"] = [*shown, *said[place]["content"]]
        asked = self.processor.apply_chat_template(said, add_generation_prompt=True)
        whole = self.processor.apply_chat_template([*said, *answer])
        assert whole.startswith(asked)
        given = dict(encode(self.processor, [asked], [images]))
        tokens = self.processor.tokenizer(whole[len(asked) :], add_special_tokens=False, return_tensors="pt")[
            "input_ids"
        ]
        given["input_ids"] = torch.cat([given["input_ids"], tokens], 1)
        given["attention_mask"] = torch.ones_like(given["input_ids"])
        return given, tokens[0]

    def logits(self, model: Any, prompt: Any, answer: Any, images: Sequence[Any]) -> torch.Tensor:
        """At each place of the answer, over the vocabulary."""
        given, tokens = self.tokens(prompt, answer, images)
        with torch.no_grad():
            return model(**given).logits[0, -len(tokens) - 1 : -1].float().log_softmax(-1)

    def logp(self, model: Any, prompt: Any, answer: Any, images: Sequence[Any]) -> float:
        _, tokens = self.tokens(prompt, answer, images)
        return float(self.logits(model, prompt, answer, images).gather(1, tokens[:, None]).sum())

    def length(self, row: Any, side: str) -> int:
        return len(self.tokens(row["prompt"], row[side], row["images"])[1])

    def reward(self, row: Any, side: str, pictures: str = "images") -> float:
        """log pi - log pi_ref of a side beside these pictures."""
        given = (row["prompt"], row[side], row[pictures])
        return self.logp(self.trainer.model, *given) - self.logp(self.reference, *given)
