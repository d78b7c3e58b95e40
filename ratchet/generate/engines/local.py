"""Sampling with transformers in this process: batched, sorted for little padding, and the same for the same seed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet import models
from ratchet.artifacts import ImageBank
from ratchet.errors import DigestMismatch, NotFound, PromptSetError, SamplingError
from ratchet.generate.chat import chat_text, encode, request_text
from ratchet.generate.engine import Answer, BatchHook, Given, Request, TextLikelihood, sample
from ratchet.generate.engines.batches import Call, calls
from ratchet.generate.engines.continuing import decoded
from ratchet.generate.engines.likelihood import Likelihood
from ratchet.generate.engines.prefill import completions
from ratchet.generate.engines.stopping import SaidOneOf
from ratchet.generate.sampling import SamplingParams, derived_seed
from ratchet.records import Group, Prompt

if TYPE_CHECKING:
    import torch


class TransformersEngine:
    """Runs the model in `folder`; pictures come from `bank`, completions name `label` as their model.

    `batch_size` counts completions. `on_batch` is told how many were made. Raises ModelError when the model does not
    load, and SamplingError when memory runs out. `loaded` is a (model, processor) that stands in for the folder's. A request
    that does not fit the model, or whose picture cannot be read, gets failed answers.
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
        loaded: tuple[Any, Any] | None = None,
    ) -> None:
        import torch

        self.label = label
        self.bank = bank
        self.batch_size = batch_size
        self.on_batch = on_batch
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model, self.processor = loaded or models.load(folder, dtype)
        self.model.to(self.device)
        self.positions = max_positions(self.model.config)
        self.ends = end_tokens(self.model, self.processor.tokenizer)
        self.model.generation_config = _plain_generation()

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        return sample(self, prompts, params)

    def likelihoods(self, given: Sequence[Given]) -> list[TextLikelihood]:
        """How likely each text is, in their order; at most `batch_size` at once."""
        from ratchet.generate.engines import given_local

        return given_local.likelihoods(self, given)

    def close(self) -> None:
        """Free the model's memory."""
        import torch

        self.model = None
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def answer(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        """`params.k` answers to each request, in their order."""
        params.checked()
        answers: list[list[Answer]] = [[] for _ in requests]
        texts = [request_text(self.processor, request) for request in requests]
        for call in calls(requests, texts, params.k, self.batch_size):
            made = self._run(call, requests, texts, params)
            for number, place in enumerate(call.requests):
                answers[place].extend(made[number * call.n : (number + 1) * call.n])
            if self.on_batch is not None:
                self.on_batch(len(made))
        return [tuple(one) for one in answers]

    def _run(
        self, call: Call, requests: Sequence[Request], texts: Sequence[str | Answer], params: SamplingParams
    ) -> list[Answer]:
        """Answers of one call, request by request. Requests that cannot be run are taken out before."""
        asked, read = [requests[i] for i in call.requests], [texts[i] for i in call.requests]
        pictures, failed = self._pictures(asked)
        failed |= {place: text for place, text in enumerate(read) if isinstance(text, Answer)}
        shown = [text if isinstance(text, str) else "" for text in read]
        inputs, too_long = self._encoded(shown, pictures, failed, params.max_new_tokens)
        failed |= too_long
        able = [request for place, request in enumerate(asked) if place not in failed]
        made = iter(self._generated(inputs, call, able, params) if able else ())
        return [failed[i] if i in failed else next(made) for i in range(len(asked)) for _ in range(call.n)]

    def _pictures(self, asked: Sequence[Request]) -> tuple[list[list[Any]], dict[int, Answer]]:
        pictures: list[list[Any]] = []
        failed: dict[int, Answer] = {}
        for place, request in enumerate(asked):
            try:
                pictures.append(self.bank.images(request.images))
            except (NotFound, DigestMismatch, PromptSetError) as error:
                pictures.append([])
                failed[place] = Answer.failed("picture", str(error))
        return pictures, failed

    def _encoded(
        self, texts: Sequence[str], pictures: Sequence[Sequence[Any]], failed: dict[int, Answer], new: int
    ) -> tuple[Any, dict[int, Answer]]:
        """The batch's tensors without what failed, what the processor refuses, and what is too long."""
        rows = [i for i in range(len(texts)) if i not in failed]
        refused: dict[int, Answer] = {}
        inputs = None
        if rows:
            try:
                inputs = encode(self.processor, [texts[i] for i in rows], [pictures[i] for i in rows])
            except Exception:
                # One picture is enough to fail a batch: find which, and go on without it.
                refused = {i: why for i in rows if (why := self._refusal(texts[i], pictures[i]))}
                if not refused:
                    raise
        if inputs is not None:
            lengths = inputs["attention_mask"].sum(dim=1).tolist()
            refused = {
                i: Answer.too_long(n, new, self.positions)
                for i, n in zip(rows, lengths, strict=True)
                if n + new > self.positions
            }
        if not refused:
            return inputs, {}
        inputs, more = self._encoded(texts, pictures, failed | refused, new)
        return inputs, refused | more

    def _refusal(self, text: str, pictures: Sequence[Any]) -> Answer | None:
        try:
            encode(self.processor, [text], [pictures])
        except Exception as error:
            return Answer.refused(pictures, error)
        return None

    def _generated(self, inputs: Any, call: Call, asked: Sequence[Request], params: SamplingParams) -> list[Answer]:
        import torch

        inputs = inputs.to(self.device)
        seed = derived_seed(params.seed, call.first, *(request.id for request in asked))
        start = inputs["input_ids"].shape[1]
        likelihood = Likelihood()
        processors = [likelihood, *self._mixer(asked, call.n)]
        with torch.inference_mode(), torch.random.fork_rng(devices=self._devices()):
            torch.manual_seed(seed)
            try:
                sequences = completions(
                    self.model, inputs, call.n, self._generation(params), processors, self._stops(params, start)
                )
            except torch.OutOfMemoryError as error:
                raise SamplingError(
                    f"out of memory with {len(asked)} prompts x {call.n} completions at once; "
                    f"lower generate.batch_size (it is {self.batch_size}) or max_new_tokens ({params.max_new_tokens})."
                ) from error
        tokens = sequences[:, start:]
        rows = [request for request in asked for _ in range(call.n)]
        answers = self._answers(tokens.cpu(), likelihood.of(tokens).cpu(), params.stop, rows)
        read = [n for n in inputs["attention_mask"].sum(dim=1).tolist() for _ in range(call.n)]
        return [replace(one, n_prompt=n) for one, n in zip(answers, read, strict=True)]

    def _mixer(self, asked: Sequence[Request], n: int) -> list[Any]:
        """What mixes in the model that sees no picture, for requests that ask for it. All of a call ask alike."""
        if not asked[0].mixed:
            return []
        from ratchet.generate.engines.mixing import Mixer

        texts = [chat_text(self.processor, request.messages, 0, request.begun) for request in asked]
        blind = encode(self.processor, texts, [[] for _ in texts]).to(self.device)
        return [Mixer(self.model, blind, n, asked[0].mix, asked[0].forget)]

    def _stops(self, params: SamplingParams, start: int) -> Any:
        """Stopping criteria for the stop strings in what is said from position `start` on, or None."""
        if not params.stop:
            return None
        from transformers import StoppingCriteriaList

        return StoppingCriteriaList([SaidOneOf(self.processor.tokenizer, params.stop, start)])

    def _answers(
        self,
        tokens: torch.Tensor,
        logprobs: torch.Tensor,
        stop: Sequence[str] = (),
        asked: Sequence[Request] = (),
    ) -> list[Answer]:
        """Answers from sampled tokens and their log-probabilities (rows x steps, both).

        `asked` are the rows' requests; without them no row went on from a beginning.
        """
        import torch

        ended = torch.isin(tokens, torch.tensor(self.ends))
        stopped = ended.any(dim=1)
        lengths = torch.where(stopped, ended.int().argmax(dim=1) + 1, tokens.shape[1]).tolist()
        rows = [row[:n] for row, n in zip(tokens.tolist(), lengths, strict=True)]
        halted = [
            self._halt(row, text, stop, asked[place : place + 1])
            for place, (row, text) in enumerate(zip(rows, self._decoded(rows, asked), strict=True))
        ]
        lengths = [min(n, halt) if halt else n for n, halt in zip(lengths, halted, strict=True)]
        cut = [row[:n] for row, n in zip(rows, lengths, strict=True)]
        inside = torch.arange(tokens.shape[1])[None, :] < torch.tensor(lengths)[:, None]
        sums = (logprobs * inside).sum(dim=1).tolist()
        whole = [bool(halt) or end for halt, end in zip(halted, stopped.tolist(), strict=True)]
        begun = [request.begun for request in asked] or [""] * len(rows)
        return [
            Answer.said(text, before, n, "stop" if end else "length", total)
            for text, before, n, total, end in zip(self._decoded(cut, asked), begun, lengths, sums, whole, strict=True)
        ]

    def _decoded(self, rows: Sequence[Sequence[int]], asked: Sequence[Request]) -> list[str]:
        return decoded(self.processor, rows, asked)

    def _halt(self, row: Sequence[int], text: str, stop: Sequence[str], asked: Sequence[Request]) -> int:
        """Number of tokens after which the first stop string is complete; 0 where none is in the text."""
        if not any(one in text for one in stop):
            return 0

        def said(n: int) -> bool:
            (so_far,) = self._decoded([row[:n]], asked)
            return any(one in so_far for one in stop)

        # What is said stays said, so the first place can be found by halves.
        return bisect_left(range(len(row) + 1), True, key=said)

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
