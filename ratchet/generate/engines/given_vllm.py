"""How likely given texts are, with vLLM: it reads prompt and answer as one prompt and tells each token's log-probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ratchet.generate.engine import Answer, Given, TextLikelihood
from ratchet.generate.engines.given import Read, check, read

if TYPE_CHECKING:
    from ratchet.generate.engines.vllm_engine import VllmEngine

NEW = 1
"""vLLM samples at least one token, which nobody looks at."""


def likelihoods(engine: VllmEngine, given: Sequence[Given]) -> list[TextLikelihood]:
    """log p(text | request) of each, in their order. vLLM does not use its prefix cache where it tells of the prompt."""
    import torch

    check(given)
    found: dict[int, TextLikelihood] = {}
    running: dict[str, tuple[int, int]] = {}
    with torch.random.fork_rng(devices=[]):
        engine._fresh()
        try:
            for number in sorted(range(len(given)), key=lambda n: given[n].request.id):
                while len(running) >= engine.batch_size:
                    _collect(engine, running, found)
                _submit(engine, number, given[number], running, found)
            while running:
                _collect(engine, running, found)
        finally:
            if running and engine._running.llm is not None:
                engine._engine.abort_request(list(running))
    return [found[number] for number in range(len(given))]


def _submit(
    engine: VllmEngine,
    number: int,
    one: Given,
    running: dict[str, tuple[int, int]],
    found: dict[int, TextLikelihood],
) -> None:
    """Give one text to vLLM; what cannot be asked is found at once."""
    tokens = read(engine.processor, one, engine.ends)
    if not isinstance(tokens, Read):
        found[number] = tokens
        return
    # The token that vLLM samples takes a place behind the answer.
    asked = engine._read(one.request, len(tokens.tokens) + NEW)
    if isinstance(asked, Answer):
        found[number] = TextLikelihood(None, 0, asked.error)
        return
    whole = {**asked, "prompt_token_ids": [*asked["prompt_token_ids"], *tokens.tokens]}
    engine._asked += 1
    name = str(engine._asked)
    try:
        engine._engine.add_request(name, whole, _telling())
    except Exception as error:
        raise engine._broken(error) from error
    running[name] = (number, len(tokens.tokens))


def _telling() -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=0.0,
        max_tokens=NEW,
        prompt_logprobs=0,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _collect(engine: VllmEngine, running: dict[str, tuple[int, int]], found: dict[int, TextLikelihood]) -> None:
    try:
        outputs = engine._engine.step()
    except Exception as error:
        raise engine._broken(error) from error
    for one in outputs:
        if one.finished:
            number, n = running.pop(one.request_id)
            told = zip(one.prompt_token_ids[-n:], one.prompt_logprobs[-n:], strict=True)
            found[number] = TextLikelihood(sum(float(step[token].logprob) for token, step in told), n)
