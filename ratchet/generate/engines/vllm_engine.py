"""Sampling with vLLM in the stage's process: requests come and go one by one, so no batch waits for its longest answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ratchet import models
from ratchet.artifacts import ImageBank
from ratchet.errors import DigestMismatch, NotFound, PromptSetError, SamplingError
from ratchet.generate.chat import encode, request_text
from ratchet.generate.engine import Answer, BatchHook, Given, Request, TextLikelihood, sample
from ratchet.generate.engines import vllm_model, vllm_start
from ratchet.generate.engines.continuing import decoded
from ratchet.generate.sampling import SamplingParams, derived_seed
from ratchet.recipe import VllmConfig
from ratchet.records import Group, Prompt

# Completions of one prompt end at different times. Without work in store vLLM would run half empty meanwhile.
AHEAD = 2
HOTTEST = 2.0
COOLEST = 0.01


@dataclass(frozen=True)
class _Piece:
    """`n` answers to the request at `place`, the first of them being `first`."""

    place: int
    first: int
    n: int


@dataclass
class _Work:
    """One call of `answer`: what is asked, and what has come."""

    requests: Sequence[Request]
    params: SamplingParams
    answers: list[list[Answer | None]]
    running: dict[str, _Piece] = field(default_factory=dict)

    def put(self, piece: _Piece, made: Sequence[Answer]) -> int:
        self.answers[piece.place][piece.first : piece.first + piece.n] = made
        return piece.n

    @property
    def in_flight(self) -> int:
        return sum(piece.n for piece in self.running.values())


class VllmEngine:
    """Runs the model in `folder`; pictures come from `bank`, completions name `label` as their model.

    It starts at once and is stopped by `close`. `batch_size` is the most completions sampled at once; twice as many are
    held. `on_batch` is told how many were made. Each completion has a seed of its own, and every call begins with empty caches: without a GPU the
    same call gives the same completions bit by bit. With one, vLLM batches by the clock, and sums may differ in their
    last bits. Raises ModelError when the folder is at fault, else SamplingError, both saying what to change. A request
    that does not fit the model, or whose picture cannot be read, gets failed answers.
    """

    def __init__(
        self,
        config: VllmConfig,
        folder: str | Path,
        bank: ImageBank,
        label: str,
        batch_size: int,
        dtype: models.Dtype = "float32",
        *,
        on_batch: BatchHook | None = None,
    ) -> None:
        self.config = config
        self.label = label
        self.bank = bank
        self.batch_size = batch_size
        self.on_batch = on_batch
        self.processor, self.ends, self.positions = vllm_model.described(Path(folder))
        self._running = vllm_start.start(Path(folder), config, dtype, batch_size)
        self.limit = min(self.positions, int(self._running.llm.model_config.max_model_len))
        self._asked = 0

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Group]:
        return sample(self, prompts, params)

    def close(self) -> None:
        """Stop vLLM and free its memory. Quiet when called again."""
        self._running.stop()

    def answer(self, requests: Sequence[Request], params: SamplingParams) -> list[tuple[Answer, ...]]:
        """`params.k` answers to each request, in their order."""
        import torch

        _check(params.checked())
        work = _Work(requests, params, [[None] * params.k for _ in requests])
        with torch.random.fork_rng(devices=[]):
            self._fresh()
            try:
                self._run(work)
            finally:
                if work.running and self._running.llm is not None:
                    self._engine.abort_request(list(work.running))
        return [tuple(answer for answer in row if answer is not None) for row in work.answers]

    def likelihoods(self, given: Sequence[Given]) -> list[TextLikelihood]:
        """How likely each text is, in their order; at most `batch_size` at once."""
        from ratchet.generate.engines import given_vllm

        return given_vllm.likelihoods(self, given)

    @property
    def _engine(self) -> Any:
        if self._running.llm is None:
            raise SamplingError("vLLM is stopped; open the engine again.")
        return self._running.llm.llm_engine

    def _fresh(self) -> None:
        """Forget earlier calls: what is read from a cache may differ in its last bits from what is computed."""
        self._engine.reset_prefix_cache()
        self._engine.reset_encoder_cache()

    def _run(self, work: _Work) -> None:
        """Keep vLLM busy with not too much at once; take answers as they come."""
        most = AHEAD * self.batch_size
        pieces = self._pieces(work)
        waiting = next(pieces, None)
        while waiting is not None or work.running:
            made = 0
            while waiting is not None and work.in_flight + waiting[0].n <= most:
                made += self._submit(work, *waiting)
                waiting = next(pieces, None)
            made += self._collect(work) if work.running else 0
            if made and self.on_batch is not None:
                self.on_batch(made)

    def _pieces(self, work: _Work) -> Iterator[tuple[_Piece, Any]]:
        """What to ask next, in the order of the ids, so that it does not matter in which order requests are given.

        A prompt is read and its pictures are decoded when its turn comes, and once for all of its answers.
        """
        k = work.params.k
        for place in sorted(range(len(work.requests)), key=lambda i: work.requests[i].id):
            given = self._read(work.requests[place], work.params.max_new_tokens)
            for first in range(0, k, self.batch_size):
                yield _Piece(place, first, min(k - first, self.batch_size)), given

    def _read(self, request: Request, new: int) -> Any:
        """What vLLM is given for a request, or the Answer that says why not."""
        try:
            pictures = self.bank.images(request.images)
        except (NotFound, DigestMismatch, PromptSetError) as error:
            return Answer.failed("picture", str(error))
        text = request_text(self.processor, request)
        if isinstance(text, Answer):
            return text
        try:
            given = self._rendered(text, pictures)
        except Exception as error:
            return self._refusal(text, pictures, error)
        tokens = len(given["prompt_token_ids"])
        whose = "the model's" if self.limit == self.positions else "generate.engine.max_model_len:"
        return Answer.too_long(tokens, new, self.limit, whose) if tokens + new > self.limit else given

    def _rendered(self, text: str, pictures: Sequence[Any]) -> Any:
        """The prompt's tokens with those of its pictures, and the pixels, as vLLM takes them."""
        from vllm.renderers.params import TokenizeParams

        mark = getattr(self.processor, "image_token", None)
        if mark and text.count(mark) != len(pictures):
            encode(self.processor, [text], [pictures])  # raises, where vLLM would show what belongs to no picture
        tokenizer = self.processor.tokenizer
        begin = tokenizer.bos_token
        plain = not (begin and text.startswith(begin))
        prompt: dict[str, Any] = {"prompt_token_ids": tokenizer(text, add_special_tokens=plain)["input_ids"]}
        if pictures:
            prompt["multi_modal_data"] = {"image": list(pictures)}
        # No limit: over-long prompts are counted here, where vLLM would cut or refuse them.
        (given,) = self._engine.renderer.render_cmpl([prompt], TokenizeParams(max_total_tokens=None))
        return given

    def _refusal(self, text: str, pictures: Sequence[Any], error: Exception) -> Answer:
        """In the processor's own words, where it refuses the pictures too."""
        try:
            encode(self.processor, [text], [pictures])
        except Exception as own:
            error = own
        return Answer.refused(pictures, error)

    def _submit(self, work: _Work, piece: _Piece, given: Any) -> int:
        """Give a piece to vLLM; the number of answers that are made already, because it cannot be asked."""
        if isinstance(given, Answer):
            return work.put(piece, [given] * piece.n)
        seed = derived_seed(work.params.seed, work.requests[piece.place].id) + piece.first
        self._asked += 1
        name = str(self._asked)
        try:
            self._engine.add_request(name, given, _sampling(work.params, piece.n, seed, self.ends))
        except Exception as error:
            raise self._broken(error) from error
        work.running[name] = piece
        return 0

    def _collect(self, work: _Work) -> int:
        """Let vLLM make a step; the number of answers that it finished."""
        try:
            outputs = self._engine.step()
        except Exception as error:
            raise self._broken(error) from error
        made = 0
        for one in outputs:
            if one.finished:
                piece = work.running.pop(one.request_id)
                answers = self._answers(one.outputs, work.requests[piece.place])
                read = len(one.prompt_token_ids or ())
                made += work.put(piece, [replace(answer, n_prompt=read) for answer in answers])
        return made

    def _answers(self, outputs: Sequence[Any], request: Request) -> list[Answer]:
        rows = [list(one.token_ids) for one in outputs]
        texts = decoded(self.processor, rows, [request] * len(rows))
        return [
            Answer.said(text, request.begun, len(row), one.finish_reason, one.cumulative_logprob)
            for text, row, one in zip(texts, rows, outputs, strict=True)
        ]

    def _broken(self, error: Exception) -> SamplingError:
        """Whatever stops vLLM while it runs: it cannot be trusted any more."""
        self.close()
        return SamplingError(
            f"vLLM stopped while it sampled ({type(error).__name__}: {str(error)[:400]}). Finished files are kept: run "
            f"the stage again. If memory ran out, lower generate.batch_size (it is {self.batch_size}), "
            "generate.engine.max_num_seqs or memory_share."
        )


def _check(params: SamplingParams) -> None:
    """Raise SamplingError for temperatures that vLLM would refuse or, without asking, replace."""
    if params.temperature > HOTTEST or 0 < params.temperature < COOLEST:
        raise SamplingError(
            f"vLLM samples at temperatures from {COOLEST} to {HOTTEST} and at 0 (greedy), not at {params.temperature:g}; "
            "change generate.temperature or set generate.engine to transformers."
        )


def _sampling(params: SamplingParams, n: int, seed: int, ends: Sequence[int]) -> Any:
    """vLLM's parameters for `n` answers; the i-th of them is drawn with `seed` + i.

    Log-probabilities are those of the sampled tokens alone, before temperature and cuts. Texts are made from tokens by
    us, as for the other engines; vLLM reads along only where it must look for stop strings.
    """
    from vllm import SamplingParams as Theirs
    from vllm.sampling_params import RequestOutputKind

    return Theirs(
        n=n,
        temperature=params.temperature,
        top_p=params.top_p,
        top_k=params.top_k,
        max_tokens=params.max_new_tokens,
        seed=seed,
        stop=list(params.stop),
        include_stop_str_in_output=True,
        # The end tokens are ours: vLLM would take the tokenizer's too.
        ignore_eos=True,
        stop_token_ids=list(ends),
        logprobs=0,
        detokenize=bool(params.stop),
        skip_special_tokens=True,
        output_kind=RequestOutputKind.FINAL_ONLY,
        skip_clone=True,
    )
