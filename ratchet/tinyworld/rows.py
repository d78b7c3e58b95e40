"""Items as tensors, made once: what the seed's training loop reads at 500 rows a second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ratchet.tinyworld import draw
from ratchet.tinyworld.world import Item

if TYPE_CHECKING:
    import torch
    from transformers import Idefics3Processor

IGNORED = -100


@dataclass(frozen=True)
class Rows:
    """Token ids and labels per item, and each item's pictures as bytes (pictures x 3 x 48 x 48)."""

    ids: tuple[tuple[int, ...], ...]
    prompt_lengths: tuple[int, ...]
    pixels: tuple[torch.Tensor, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def __add__(self, other: Rows) -> Rows:
        return Rows(self.ids + other.ids, self.prompt_lengths + other.prompt_lengths, self.pixels + other.pixels)


def chat_text(processor: Idefics3Processor, question: str, pictures: int, answer: str | None = None) -> str:
    """The question as the chat template writes it, with the answer or ready for one."""
    parts = [*({"type": "image"} for _ in range(pictures)), {"type": "text", "text": question}]
    turns: list[dict[str, object]] = [{"role": "user", "content": parts}]
    if answer is not None:
        turns.append({"role": "assistant", "content": answer})
    return str(processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=answer is None))


def rows_of(processor: Idefics3Processor, drawn: Sequence[Item]) -> Rows:
    """Turn items into rows. Only what depends on the text goes through the tokenizer, with image tokens put in."""
    import torch

    tokenizer = processor.tokenizer
    picture = tokenizer.convert_tokens_to_ids([processor.fake_image_token, processor.global_image_tag])
    image = tokenizer.convert_tokens_to_ids(processor.image_token)
    block = [*picture, *[image] * processor.image_seq_len, picture[0]]
    ids, lengths, pixels = [], [], []
    for item in drawn:
        asked = tokenizer(chat_text(processor, item.question, len(item.scenes)), add_special_tokens=False).input_ids
        prompt = [part for token in asked for part in (block if token == image else [token])]
        answer = tokenizer(item.answer, add_special_tokens=False).input_ids
        ids.append((*prompt, *answer, tokenizer.eos_token_id))
        lengths.append(len(prompt))
        stack = [torch.from_numpy(draw.pixels(scene)).permute(2, 0, 1) for scene in item.scenes]
        pixels.append(torch.stack(stack).contiguous())
    return Rows(tuple(ids), tuple(lengths), tuple(pixels))


def batch_of(rows: Rows, numbers: Sequence[int], pad: int) -> dict[str, torch.Tensor]:
    """The numbered rows as one batch; absent second pictures are all zero, which the model drops."""
    import torch

    width = max(len(rows.ids[n]) for n in numbers)
    most = max(len(rows.pixels[n]) for n in numbers)
    ids = torch.full((len(numbers), width), pad)
    labels = torch.full((len(numbers), width), IGNORED)
    mask = torch.zeros((len(numbers), width), dtype=torch.long)
    pictures = torch.zeros((len(numbers), most, 3, draw.SIDE, draw.SIDE))
    for place, n in enumerate(numbers):
        row = torch.tensor(rows.ids[n])
        ids[place, : len(row)] = row
        mask[place, : len(row)] = 1
        labels[place, rows.prompt_lengths[n] : len(row)] = row[rows.prompt_lengths[n] :]
        pictures[place, : len(rows.pixels[n])] = rows.pixels[n].float() / 127.5 - 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "pixel_values": pictures}


def batches(rows: Rows, size: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Row numbers in batches for ever, each epoch shuffled anew.

    Rows are not sorted by length: that saves padding, but rows of one length are mostly of one skill, and in the one
    try of it the model learned more slowly (19.8% against 29.9% after 900 steps).
    """
    import torch

    while True:
        order = torch.randperm(len(rows), generator=generator).tolist()
        yield from (order[first : first + size] for first in range(0, len(order), size))
