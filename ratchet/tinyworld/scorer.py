"""Train a small image-text scorer on the tiny world: a CLIP of half a million parameters, for the verifier `small_scorer`.

    python -m ratchet.tinyworld.scorer --out DIR

It learns from labelled items of the split `labels`, as the seed does, which pictures and answers belong together: each
picture's question with its right answer against the same question with other answers. So it is a teacher that has seen
labels, as a real CLIP has seen captions.
"""

from __future__ import annotations

import argparse
import logging
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ratchet.tinyworld import draw, seed_model
from ratchet.tinyworld.questions import NOTHING
from ratchet.tinyworld.world import Item, items

if TYPE_CHECKING:
    import torch
    from transformers import CLIPModel, CLIPProcessor

log = logging.getLogger(__name__)
LONGEST = 40
"""Tokens of a question with its answer; the longest take 30."""
ONE_PICTURE = ("count", "exist", "read", "add", "locate", "compare", "caption", "relation")


@dataclass(frozen=True)
class ScorerConfig:
    """How long it learns, from how many labelled items, and against how many other answers."""

    seconds: float = 100.0
    rows: int = 12_000
    batch: int = 64
    others: int = 3
    lr: float = 1.5e-3
    seed: int = 0


def build_processor() -> CLIPProcessor:
    """Pictures of any size come out 48 x 48; texts in the tiny world's words, with their end token."""
    from tokenizers.processors import TemplateProcessing
    from transformers import CLIPProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = seed_model.build_tokenizer()
    tokenizer.padding_side = "right"
    end = (seed_model.EOS, tokenizer.convert_tokens_to_ids(seed_model.EOS))
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"$A {seed_model.EOS}", special_tokens=[end])
    size = {"height": draw.SIDE, "width": draw.SIDE}
    images = CLIPImageProcessorPil(
        size=size, do_center_crop=False, crop_size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    return CLIPProcessor(images, tokenizer)


def build_model(processor: CLIPProcessor, seed: int) -> CLIPModel:
    """A CLIP of two narrow towers, weights random."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    tokenizer = processor.tokenizer
    pad, eos, bos = (tokenizer.convert_tokens_to_ids(t) for t in (seed_model.PAD, seed_model.EOS, seed_model.BOS))
    tower = {"hidden_size": 96, "intermediate_size": 288, "num_attention_heads": 4, "projection_dim": 96}
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": LONGEST,
        "num_hidden_layers": 2,
        "pad_token_id": pad,
        "eos_token_id": eos,
        "bos_token_id": bos,
    }
    vision = {"image_size": draw.SIDE, "patch_size": 8, "num_hidden_layers": 3}
    torch.manual_seed(seed)
    return CLIPModel(CLIPConfig(text_config={**tower, **text}, vision_config={**tower, **vision}, projection_dim=96))


def save(model: CLIPModel, processor: CLIPProcessor, folder: Path) -> None:
    """Weights, configuration and processor in one folder."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def train(model: CLIPModel, processor: CLIPProcessor, config: ScorerConfig) -> int:
    """Let the model learn for `config.seconds` of its process' time; the number of steps."""
    import torch

    drawn = list(items("labels", config.rows, config.seed, skills=ONE_PICTURE))
    answers = _answers(drawn)
    chance = random.Random(config.seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=0.01)
    start, steps = time.process_time(), 0
    pixels = torch.stack([torch.from_numpy(draw.pixels(item.scenes[0])).permute(2, 0, 1) for item in drawn])
    model.train()
    for numbers in _orders(len(drawn), config.batch, chance):
        spent = (time.process_time() - start) / config.seconds
        if spent >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = config.lr * min(1.0, (steps + 1) / 100) * max(0.05, 1 - spent)
        texts = [text for n in numbers for text in _texts(drawn[n], answers, config.others, chance)]
        loss = _loss(model, processor, pixels[list(numbers)], texts)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        steps += 1
        if steps % 100 == 0:
            log.info("step %d, loss %.3f", steps, loss.item())
    model.eval()
    return steps


def _loss(model: CLIPModel, processor: CLIPProcessor, pixels: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
    """Cross-entropy of each picture's right text: against its other answers, and against the texts of other pictures."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    inputs = processor.tokenizer(list(texts), return_tensors="pt", padding=True)
    text = normalize(model.get_text_features(**inputs).pooler_output, dim=-1)
    picture = normalize(model.get_image_features(pixel_values=pixels / 127.5 - 1).pooler_output, dim=-1)
    text = text.unflatten(0, (len(pixels), -1))
    scale = model.logit_scale.exp().clamp(max=100)
    own = scale * torch.einsum("nd,nad->na", picture, text)
    first = torch.zeros(len(pixels), dtype=torch.long)
    return cross_entropy(own, first)


def _texts(item: Item, answers: Mapping[str, Sequence[str]], others: int, chance: random.Random) -> list[str]:
    """The question with its right answer, then with others."""
    wrong = _wrong(item, answers, others, chance)
    return [f"{item.question} {answer}" for answer in (item.answer, *wrong)]


def _wrong(item: Item, answers: Mapping[str, Sequence[str]], others: int, chance: random.Random) -> list[str]:
    """Other answers to questions of the skill; for lists half of them differ in one word only."""
    known = answers[item.skill]
    found: list[str] = []
    while len(found) < others:
        other = chance.choice(known)
        if item.skill in ("caption", "read") and chance.random() < 0.5:
            other = _changed(item.answer, known, chance)
        if sorted(other.split(" , ")) != sorted(item.answer.split(" , ")) or item.skill == "read":
            found.append(other)
    return [one if one != item.answer else NOTHING for one in found]


def _changed(answer: str, known: Sequence[str], chance: random.Random) -> str:
    words = answer.split(" ")
    place = chance.randrange(len(words))
    words[place] = chance.choice(chance.choice(known).split(" "))
    return " ".join(words)


def _answers(drawn: Sequence[Item]) -> dict[str, list[str]]:
    """The answers of each skill as often as they occur, in a fixed order."""
    found: dict[str, list[str]] = defaultdict(list)
    for item in drawn:
        found[item.skill].append(item.answer)
    return found


def _orders(rows: int, batch: int, chance: random.Random) -> Iterator[Sequence[int]]:
    """Batches of row numbers, shuffled anew each pass, without end."""
    while True:
        numbers = list(range(rows))
        chance.shuffle(numbers)
        yield from (numbers[start : start + batch] for start in range(0, rows - batch + 1, batch))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(
        prog="python -m ratchet.tinyworld.scorer", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--seconds", type=float, default=ScorerConfig.seconds, help="CPU-seconds to learn")
    parser.add_argument("--seed", type=int, default=ScorerConfig.seed)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = ScorerConfig(seconds=given.seconds, seed=given.seed)
    processor = build_processor()
    model = build_model(processor, config.seed)
    log.info("%d parameters", model.num_parameters())
    steps = train(model, processor, config)
    save(model, processor, given.out)
    log.info("%d steps; saved in %s", steps, given.out)


if __name__ == "__main__":
    main()
