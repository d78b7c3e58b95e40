"""Sampling with transformers in this process: batched, sorted for little padding, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet import models
from ratchet.artifacts import ImageBank
from ratchet.errors import SamplingError
from ratchet.generate.chat import chat_text, encode
from ratchet.generate.likelihood import Likelihood
from ratchet.generate.prefill import completions
from ratchet.generate.sampling import BatchHook, SamplingParams, derived_seed
from ratchet.records import Completion, FinishReason, Group, Prompt

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class _Call:
    """One call of the engine: rows of `prompts` (by number), `n` completions each, the first of them being `first`."""

    prompts: tuple[int, ...]
    first: int
    n: int


@dataclass(frozen=True)
class _Answer:
    text: str
    n_tokens: int
    logprob_sum: float
    finish_reason: FinishReason


class TransformersSampler:
    """Samples the model in `folder`; pictures come from `bank`, completions name `label` as their model.

    `batch_size` counts completions. `on_batch` is told how many were made. Raises ModelError when the model does not
    load, and SamplingError for prompts that do not fit the model and when memory runs out.
    """

    def __init__(
        self,
        folder: str | Path,
        bank: ImageBank,
        label: str,
        batch_size: int,
        dtype: models.Dtype = "float32",
        *,
        device: str | None = None,
        on_batch: BatchHook | None = None,
    ) -> None:
        import torch

        self.label = label
        self.bank = bank
        self.batch_size = batch_size
        self.on_batch = on_batch
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model, self.processor = models.load(folder, dtype)
        self.model.to(self.device)
        self.positions = max_positions(self.model.config)
        self.ends = end_tokens(self.model, self.processor.tokenizer)
        self.model.generation_config = _plain_generation()

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        """Groups in the order of `prompts`, `params.k` completions each; all prompts are sampled before the first."""
        params.checked()
        answers: list[list[_Answer]] = [[] for _ in prompts]
        texts = [chat_text(self.processor, prompt.messages, len(prompt.images)) for prompt in prompts]
        for call in self._calls(prompts, texts, params.k):
            made = self._run(call, prompts, texts, params)
            for number, place in enumerate(call.prompts):
                answers[place].extend(made[number * call.n : (number + 1) * call.n])
            if self.on_batch is not None:
                self.on_batch(len(made))
        sampling = params.record()
        for prompt, made in zip(prompts, answers, strict=True):
            drawn = tuple(
                Completion(
                    index=index,
                    text=answer.text,
                    finish_reason=answer.finish_reason,
                    sampling=sampling,
                    logprob_sum=answer.logprob_sum,
                    n_tokens=answer.n_tokens,
                    model=self.label,
                )
                for index, answer in enumerate(made)
            )
            yield Group(prompt=prompt, completions=drawn)

    def _calls(self, prompts: Sequence[Prompt], texts: Sequence[str], k: int) -> Iterator[_Call]:
        """Prompts alike go together: by number of pictures, then skill (answers of a skill are about as long), then
        length. The id comes last, so that batches depend on which prompts there are and not on their order."""
        order = sorted(
            range(len(prompts)),
            key=lambda i: (len(prompts[i].images), prompts[i].skill, len(texts[i]), prompts[i].id),
        )
        step = max(1, self.batch_size // k)
        for start in range(0, len(order), step):
            rows = tuple(order[start : start + step])
            for first in range(0, k, self.batch_size):
                yield _Call(rows, first, min(k - first, self.batch_size))

    def _run(
        self, call: _Call, prompts: Sequence[Prompt], texts: Sequence[str], params: SamplingParams
    ) -> list[_Answer]:
        import torch

        pictures = [self.bank.images(prompts[i].images) for i in call.prompts]
        inputs = encode(self.processor, [texts[i] for i in call.prompts], pictures)
        self._check_lengths(inputs["attention_mask"], params.max_new_tokens)
        inputs = inputs.to(self.device)
        seed = derived_seed(params.seed, call.first, *(prompts[i].id for i in call.prompts))
        likelihood = Likelihood()
        with torch.inference_mode(), torch.random.fork_rng(devices=self._devices()):
            torch.manual_seed(seed)
            try:
                sequences = completions(self.model, inputs, call.n, self._generation(params), [likelihood])
            except torch.OutOfMemoryError as error:
                raise SamplingError(
                    f"out of memory with {len(pictures)} prompts x {call.n} completions at once; "
                    f"lower batch_size (it is {self.batch_size}) or max_new_tokens ({params.max_new_tokens})."
                ) from error
        tokens = sequences[:, inputs["input_ids"].shape[1] :]
        return self._answers(tokens.cpu(), likelihood.of(tokens).cpu())

    def _answers(self, tokens: torch.Tensor, logprobs: torch.Tensor) -> list[_Answer]:
        """Answers from sampled tokens and their log-probabilities (rows x steps, both)."""
        import torch

        ended = torch.isin(tokens, torch.tensor(self.ends))
        stopped = ended.any(dim=1)
        lengths = torch.where(stopped, ended.int().argmax(dim=1) + 1, tokens.shape[1])
        inside = torch.arange(tokens.shape[1])[None, :] < lengths[:, None]
        sums = (logprobs * inside).sum(dim=1)
        rows = [row[:n] for row, n in zip(tokens.tolist(), lengths.tolist(), strict=True)]
        texts = self.processor.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return [
            _Answer(text.strip(), n, total, "stop" if stop else "length")
            for text, n, total, stop in zip(texts, lengths.tolist(), sums.tolist(), stopped.tolist(), strict=True)
        ]

    def _generation(self, params: SamplingParams) -> Any:
        from transformers import GenerationConfig

        drawn = {"temperature": params.temperature, "top_p": params.top_p, "top_k": params.top_k}
        return GenerationConfig(
            max_new_tokens=params.max_new_tokens,
            do_sample=params.temperature > 0,
            eos_token_id=self.ends,
            pad_token_id=self._pad(),
            **(drawn if params.temperature > 0 else {}),
        )

    def _pad(self) -> int:
        pad: int | None = self.processor.tokenizer.pad_token_id
        return self.ends[0] if pad is None else pad

    def _devices(self) -> list[int]:
        import torch

        return [torch.cuda.current_device()] if self.device.startswith("cuda") else []

    def _check_lengths(self, mask: torch.Tensor, new: int) -> None:
        lengths = mask.sum(dim=1)
        over = int((lengths + new > self.positions).sum())
        if over:
            raise SamplingError(
                f"{over} of {len(lengths)} prompts in this batch are too long: up to {int(lengths.max())} tokens with "
                f"pictures and max_new_tokens {new} exceed the model's {self.positions} positions. "
                "Lower max_new_tokens, or shorten the prompts or their pictures."
            )


def _plain_generation() -> Any:
    """In place of the checkpoint's own, which would fill in what a call leaves open, and be in no record."""
    from transformers import GenerationConfig

    return GenerationConfig()


def max_positions(config: Any) -> int:
    """Most tokens that the model's text part can take; no limit where it names none."""
    text = config.get_text_config()
    found: int | None = getattr(text, "max_position_embeddings", None)
    return found or 1 << 30


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the checkpoint's generation_config, else the tokenizer's. Raises SamplingError."""
    found = model.generation_config.eos_token_id
    if found is None:
        found = tokenizer.eos_token_id
    if found is None:
        raise SamplingError(
            "the model names no end token, so every answer would run to max_new_tokens; "
            "set eos_token_id in its generation_config.json."
        )
    return [found] if isinstance(found, int) else [int(token) for token in found]
