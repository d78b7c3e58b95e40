"""Sampling with vLLM without ratchet: `LLM.generate` as one writes it by hand, all prompts at once, tuned like ours.

python -m bench.bare_vllm MODEL_FOLDER
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")

import torch
from PIL.Image import Image
from transformers import AutoProcessor

Question = tuple[str, str, list[Image]]  # skill, text, pictures


class BareVllm:
    """Loads once; `run` samples k answers a question, with their log-probabilities, at most `batch` answers at once."""

    def __init__(self, folder: str | Path, batch: int = 256, dtype: str = "float32") -> None:
        tuned = {}
        if not torch.cuda.is_available():
            os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
            tuned = {"enforce_eager": True, "kv_cache_memory_bytes": 2**30}
        from vllm import LLM

        self.processor = AutoProcessor.from_pretrained(folder)
        self.llm = LLM(str(folder), dtype=dtype, max_num_seqs=batch, **tuned)

    def run(self, asked: Sequence[Question], k: int, max_new_tokens: int) -> list[list[str]]:
        from vllm import SamplingParams

        said = [[*[{"type": "image"}] * len(p), {"type": "text", "text": t}] for _, t, p in asked]
        turns = [[{"role": "user", "content": content}] for content in said]
        texts = [self.processor.apply_chat_template(turn, add_generation_prompt=True) for turn in turns]
        prompts = [{"prompt": t, "multi_modal_data": {"image": q[2]}} for t, q in zip(texts, asked, strict=True)]
        drawn = SamplingParams(n=k, temperature=1.0, max_tokens=max_new_tokens, logprobs=0)
        return [[a.text for a in one.outputs] for one in self.llm.generate(prompts, drawn, use_tqdm=False)]


if __name__ == "__main__":
    from ratchet.tinyworld import items

    questions = [(i.skill, i.question, list(i.pictures)) for i in items("pool", 450, 0)]
    loop = BareVllm(sys.argv[1])
    loop.run(questions[:32], 8, 32)
    start = time.perf_counter()
    loop.run(questions, 8, 32)
    print(f"{8 * len(questions) / (time.perf_counter() - start):.0f} samples/s")
