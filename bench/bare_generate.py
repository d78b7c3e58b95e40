"""Sampling without ratchet: a batched `generate` loop as one writes it by hand, as well tuned as ours.

python -m bench.bare_generate MODEL_FOLDER
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL.Image import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

Question = tuple[str, str, list[Image]]  # skill, text, pictures


class BareLoop:
    """Loads once; `run` samples k answers a question (no seed: greedily), batches of about `batch`, alike questions together."""

    def __init__(self, folder: str | Path, batch: int = 256, dtype: torch.dtype = torch.float32) -> None:
        self.processor = AutoProcessor.from_pretrained(folder)
        self.processor.tokenizer.padding_side = "left"
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype).eval()
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        self.batch = batch

    def run(self, asked: Sequence[Question], k: int, max_new_tokens: int, seed: int | None) -> list[list[str]]:
        torch.manual_seed(seed or 0)
        said = [[*[{"type": "image"}] * len(p), {"type": "text", "text": t}] for _, t, p in asked]
        turns = [[{"role": "user", "content": content}] for content in said]
        texts = [self.processor.apply_chat_template(turn, add_generation_prompt=True) for turn in turns]
        order = sorted(range(len(asked)), key=lambda i: (len(asked[i][2]), asked[i][0], len(texts[i])))
        found: list[list[str]] = [[] for _ in asked]
        drawn = {"do_sample": True, "temperature": 1.0, "top_k": 0, "num_return_sequences": k}
        sampling = {"do_sample": False} if seed is None else drawn
        for start in range(0, len(order), max(1, self.batch // k)):
            rows = order[start : start + max(1, self.batch // k)]
            shown = {"text": [texts[i] for i in rows], "images": [asked[i][2] for i in rows]}
            inputs = self.processor(**shown, padding=True, return_tensors="pt").to(self.model.device)
            with torch.inference_mode():
                out = self.model.generate(**inputs, **sampling, max_new_tokens=max_new_tokens)
            answers = self.processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            for place, i in enumerate(rows):
                found[i] = answers[place * k : (place + 1) * k]
        return found


if __name__ == "__main__":
    from ratchet.tinyworld import items

    questions = [(i.skill, i.question, list(i.pictures)) for i in items("pool", 450, 0)]
    loop = BareLoop(sys.argv[1])
    loop.run(questions[:32], 8, 32, 0)
    start = time.perf_counter()
    loop.run(questions, 8, 32, 0)
    print(f"{8 * len(questions) / (time.perf_counter() - start):.0f} samples/s")
