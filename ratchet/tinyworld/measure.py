"""Ask a model items and count what is right: for the seed's card and its study. Rounds are judged by `evaluate`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ratchet.tinyworld.oracle import is_right
from ratchet.tinyworld.rows import chat_text
from ratchet.tinyworld.world import Item

if TYPE_CHECKING:
    from transformers import Idefics3ForConditionalGeneration, Idefics3Processor

MAX_NEW_TOKENS = 14
"""Four objects and their commas take 11 tokens, the end one more."""
BATCH = 256


def answers(
    model: Idefics3ForConditionalGeneration,
    processor: Idefics3Processor,
    asked: Sequence[Item],
    *,
    k: int | None = None,
    batch: int = BATCH,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> Iterator[tuple[Item, list[str]]]:
    """Each item with its greedy answer, or with `k` answers sampled at temperature 1. Captions are batched apart."""
    import torch

    sampled = {} if k is None else {"num_return_sequences": k, "temperature": 1.0, "top_k": 0}
    per_item = k or 1
    ordered = sorted(asked, key=lambda item: (item.skill == "caption", len(item.scenes)))
    model.eval()
    processor.tokenizer.padding_side = "left"
    for first in range(0, len(ordered), max(1, batch // per_item)):
        part = ordered[first : first + max(1, batch // per_item)]
        inputs = processor(
            images=[list(item.pictures) for item in part],
            text=[chat_text(processor, item.question, len(item.scenes)) for item in part],
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=k is not None, **sampled)
        texts = processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for place, item in enumerate(part):
            yield item, [text.strip() for text in texts[place * per_item : (place + 1) * per_item]]


Marks = dict[tuple[str, int], bool]
"""Right or wrong by (skill, index): marks of two models on the same items pair up."""


def marks(model: Idefics3ForConditionalGeneration, processor: Idefics3Processor, asked: Sequence[Item]) -> Marks:
    """Greedy answers marked."""
    return {(item.skill, item.index): is_right(item, texts[0]) for item, texts in answers(model, processor, asked)}


def accuracy(marked: Marks, skill: str | None = None) -> float:
    """Share right in per cent, of one skill or of all."""
    chosen = [right for (name, _), right in marked.items() if skill in (None, name)]
    return 100 * sum(chosen) / len(chosen)


def paired_gain(new: Marks, old: Marks) -> tuple[float, float]:
    """Mean of new - old in points, and the half-width of its 95% interval."""
    return interval([100.0 * (new[key] - old[key]) for key in old])


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean of at least two values, and the half-width of its 95% interval."""
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return mean, 1.96 * spread / math.sqrt(len(values))
