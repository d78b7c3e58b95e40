"""A reward model's scalar for question and answer: a sequence classifier with one output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from ratchet.artifacts import ImageBank
from ratchet.errors import DigestMismatch, ModelError, NotFound, PromptSetError
from ratchet.generate.chat import chat_parts
from ratchet.generate.engines.endpoint_reply import is_unicode
from ratchet.generate.engines.given import NOT_UNICODE
from ratchet.recipe.strategies.templates import filled
from ratchet.recipe.verifiers.measured import RewardModelConfig
from ratchet.records import Group, ImageRef, Part, Prompt
from ratchet.verify.measured.loading import opened, processed
from ratchet.verify.measured.scoring import NOT_MADE, Measure, Measured, logistic
from ratchet.verify.tools import Tools

WHAT = "a reward model (a sequence classifier with one output)"
PLAIN = "{question}\n{answer}"


@dataclass(frozen=True)
class _Asked:
    """A text to be rewarded and the pictures that are shown with it."""

    text: str
    images: tuple[ImageRef, ...]


class RewardModel:
    """The model in `folder`; `shows` says whether it takes pictures. Raises ModelError for another kind of model."""

    def __init__(self, folder: Path, batch_size: int) -> None:
        self.processor = processed(folder, WHAT)
        self.tokenizer = getattr(self.processor, "tokenizer", self.processor)
        self.model = opened(folder, "AutoModelForSequenceClassification", WHAT)
        self.batch_size = batch_size
        config = self.model.config
        if config.num_labels != 1:
            raise ModelError(
                f"{folder} has {config.num_labels} outputs and is no {WHAT}; name one in verify.verifiers."
            )
        if config.get_text_config().pad_token_id is None:
            raise ModelError(
                f"{folder} names no pad token, so texts cannot be batched; set pad_token_id in its config."
            )
        self.longest: int = getattr(config.get_text_config(), "max_position_embeddings", 1 << 30)
        self.shows = "pixel_values" in signature(self.model.forward).parameters and self.processor is not self.tokenizer

    def text(self, prompt: Prompt, answer: str, template: str | None) -> str:
        """What the model reads of a prompt and its answer."""
        if template is None and getattr(self.processor, "chat_template", None):
            turns: list[dict[str, Any]] = (
                chat_parts(prompt.messages, len(prompt.images))
                if self.shows
                else [{"role": m.role, "content": m.content} for m in prompt.messages]
            )
            said = [{"type": "text", "text": answer}] if self.shows else answer
            return str(
                self.processor.apply_chat_template([*turns, {"role": "assistant", "content": said}], tokenize=False)
            )
        return filled(template or PLAIN, {"question": prompt.question, "answer": answer})

    def rewards(self, bank: ImageBank, asked: Sequence[_Asked]) -> dict[_Asked, float | str]:
        """The reward of each, or a slug, a colon and words. Each is read once."""
        found: dict[_Asked, float | str] = {}
        order = sorted(dict.fromkeys(asked), key=lambda one: (len(one.text), one.text, [i.sha256 for i in one.images]))
        # Pictures may lie one after another without rows: with them one text at a time.
        step = 1 if self.shows else self.batch_size
        for start in range(0, len(order), step):
            found |= self._batch(bank, order[start : start + step])
        return found

    def _batch(self, bank: ImageBank, part: Sequence[_Asked]) -> dict[_Asked, float | str]:
        import torch

        found: dict[_Asked, float | str] = {}
        rows = []
        for one in part:
            if not is_unicode(one.text):
                found[one] = f"refused: {NOT_UNICODE}"
                continue
            n = len(self.tokenizer(one.text)["input_ids"])
            if n > self.longest:
                found[one] = f"too_long: {n} tokens exceed the reward model's {self.longest}"
            else:
                rows.append(one)
        try:
            pictures = [bank.images(one.images) for one in rows] if self.shows else []
        except (NotFound, DigestMismatch, PromptSetError) as error:
            return found | dict.fromkeys(rows, f"picture: {error}")
        if rows:
            more = {"images": pictures} if any(pictures) else {}
            inputs = self.processor(text=[one.text for one in rows], return_tensors="pt", padding=True, **more)
            with torch.inference_mode():
                logits = self.model(**inputs.to(self.model.device)).logits
            found |= dict(zip(rows, logits[:, 0].double().tolist(), strict=True))
        return found


@dataclass
class _Rewarding:
    """Measures groups; the model is opened when it is first needed."""

    config: RewardModelConfig
    tools: Tools
    model: RewardModel | None = None

    def __call__(self, groups: Sequence[Group]) -> list[list[Measure]]:
        if self.model is None:
            self.model = RewardModel(self.tools.folder(self.config.model), self.config.batch_size)
        model = self.model
        rows = [
            [
                _Asked(model.text(g.prompt, c.text, self.config.text), g.prompt.images if model.shows else ())
                for c in g.completions
            ]
            for g in groups
        ]
        found = model.rewards(self.tools.bank, [one for row in rows for one in row])
        return [
            [
                NOT_MADE if c.finish_reason == "error" else _measure(found[one])
                for c, one in zip(group.completions, row, strict=True)
            ]
            for group, row in zip(groups, rows, strict=True)
        ]


def reward_model(config: RewardModelConfig, tools: Tools) -> Measured:
    """The verifier `reward_model`."""
    mapped = None if config.score == "rank" else logistic
    return Measured(config.called, "1", _Rewarding(config, tools), mapped, config.threshold)


def _measure(found: float | str) -> Measure:
    if isinstance(found, str):
        return Measure(None, reason=found.partition(":")[0], error=found)
    return Measure(found, (Part(name="reward", score=found),))
