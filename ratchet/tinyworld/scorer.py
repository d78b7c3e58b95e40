"""Train a small image-text scorer on the tiny world: a CLIP of half a million parameters, for the verifier `small_scorer`.

    python -m ratchet.tinyworld.scorer --out DIR

It learns from the scenes of the split `labels` which answers belong to a picture: to every question that can be asked about
it, and to lists of what is in it, against wrong ones. So it is a teacher that has seen labels, as a real CLIP has seen
captions. It has learned nothing of questions about two pictures.
"""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ratchet.tinyworld import draw, seed_model
from ratchet.tinyworld.facts import Fact, facts, lists
from ratchet.tinyworld.scene import Scene
from ratchet.tinyworld.world import items

if TYPE_CHECKING:
    import torch
    from transformers import CLIPModel, CLIPProcessor

log = logging.getLogger(__name__)
LONGEST = 40
"""Tokens of a question with its answer; the longest take 30."""
ONE_PICTURE = ("count", "exist", "read", "add", "locate", "compare", "caption", "relation")


@dataclass(frozen=True)
class ScorerConfig:
    """How long it learns, from how many scenes; at once: pictures, questions, pictures with lists, wrong lists of each."""

    steps: int = 1200
    rows: int = 12_000
    batch: int = 96
    questions: int = 12
    lists: int = 32
    wrong: int = 2
    lr: float = 2e-3
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
    width = 128
    tower = {"num_attention_heads": 4, "projection_dim": width}
    text = {
        "hidden_size": 64,
        "intermediate_size": 192,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": LONGEST,
        "num_hidden_layers": 2,
        "pad_token_id": pad,
        "eos_token_id": eos,
        "bos_token_id": bos,
    }
    vision = {
        "hidden_size": 96,
        "intermediate_size": 288,
        "image_size": draw.SIDE,
        "patch_size": draw.CELL,
        "num_hidden_layers": 3,
    }
    torch.manual_seed(seed)
    return CLIPModel(CLIPConfig(text_config={**tower, **text}, vision_config={**tower, **vision}, projection_dim=width))


def save(model: CLIPModel, processor: CLIPProcessor, folder: Path) -> None:
    """Weights, configuration and processor in one folder."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def train(model: CLIPModel, processor: CLIPProcessor, config: ScorerConfig) -> float:
    """Let the model learn for `config.steps`; the last loss. The same configuration gives the same weights."""
    import torch

    lesson = _Lesson.drawn(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=0.01)
    model.train()
    last = 0.0
    for step in range(config.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.lr * min(1.0, (step + 1) / 100) * max(0.05, 1 - step / config.steps)
        loss = _loss(model, processor, lesson, config)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        last = loss.item()
        if step % 100 == 99:
            log.info("step %d, loss %.3f", step + 1, last)
    model.eval()
    return last


@dataclass(frozen=True)
class _Lesson:
    """Pictures as bytes, and which answer each question has of each of them (-1: it cannot be asked)."""

    scenes: Sequence[Scene]
    pixels: torch.Tensor
    facts: Sequence[Fact]
    right: torch.Tensor
    chance: random.Random

    @classmethod
    def drawn(cls, config: ScorerConfig) -> _Lesson:
        """Labelled items of the skills that ask about one picture; of them the scenes alone."""
        import torch

        scenes = [item.scenes[0] for item in items("labels", config.rows, config.seed, skills=ONE_PICTURE)]
        asked = facts()
        places = [{answer: n for n, answer in enumerate(fact.answers)} for fact in asked]
        right = [
            [at.get(fact.right(scene) or "", -1) for fact, at in zip(asked, places, strict=True)] for scene in scenes
        ]
        pixels = torch.stack([torch.from_numpy(draw.pixels(scene)).permute(2, 0, 1) for scene in scenes])
        return cls(scenes, pixels, asked, torch.tensor(right), random.Random(config.seed))


def _loss(model: CLIPModel, processor: CLIPProcessor, lesson: _Lesson, config: ScorerConfig) -> torch.Tensor:
    """Cross-entropy over the answers to some questions, of some pictures; and over right and wrong lists of each picture."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    rows = lesson.chance.sample(range(len(lesson.scenes)), config.batch)
    asked = lesson.chance.sample(range(len(lesson.facts)), config.questions)
    listed = [
        (n, texts)
        for n, row in enumerate(rows[: config.lists])
        if (texts := lists(lesson.scenes[row], config.wrong, lesson.chance))
    ]
    short = [text for n in asked for text in lesson.facts[n].texts]
    pixels = lesson.pixels[rows] / 127.5 - 1
    picture = normalize(model.get_image_features(pixel_values=pixels).pooler_output, dim=-1)
    scale = model.logit_scale.exp().clamp(max=100)
    alike = scale * picture @ _vectors(model, processor, short).T
    losses, at = [], 0
    for n in asked:
        width, wanted = len(lesson.facts[n].answers), lesson.right[rows, n]
        if (wanted >= 0).any():
            losses.append(cross_entropy(alike[:, at : at + width], wanted, ignore_index=-1))
        at += width
    texts = _vectors(model, processor, [text for _, some in listed for text in some])
    own = torch.einsum("nd,nad->na", picture[[n for n, _ in listed]], texts.unflatten(0, (len(listed), -1)))
    lists_loss = cross_entropy(scale * own, torch.zeros(len(listed), dtype=torch.long))
    return torch.stack(losses).mean() + lists_loss


def _vectors(model: CLIPModel, processor: CLIPProcessor, texts: Sequence[str]) -> torch.Tensor:
    """Unit vectors of texts (texts x width)."""
    from torch.nn.functional import normalize

    inputs = processor.tokenizer(list(texts), return_tensors="pt", padding=True)
    return normalize(model.get_text_features(**inputs).pooler_output, dim=-1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(
        prog="python -m ratchet.tinyworld.scorer", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument(
        "--steps", type=int, default=ScorerConfig.steps, help="of learning; the default takes about 100 CPU-s"
    )
    parser.add_argument("--seed", type=int, default=ScorerConfig.seed)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = ScorerConfig(steps=given.steps, seed=given.seed)
    processor = build_processor()
    model = build_model(processor, config.seed)
    log.info("%d parameters", model.num_parameters())
    last = train(model, processor, config)
    save(model, processor, given.out)
    log.info("loss %.3f; saved in %s", last, given.out)


if __name__ == "__main__":
    main()
