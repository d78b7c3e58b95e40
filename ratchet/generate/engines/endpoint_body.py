"""What is asked of an OpenAI-compatible server: one request as the body of POST chat/completions."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import orjson

from ratchet.artifacts import ImageBank
from ratchet.errors import SamplingError
from ratchet.generate.engine import Request
from ratchet.generate.sampling import SamplingParams, derived_seed
from ratchet.recipe import EndpointConfig
from ratchet.records import ImageRef, Message

SEED_BITS = 31
"""Some servers take no larger seed."""
COOLEST = 0.01
"""vLLM quietly raises lower temperatures to this one."""


def check_fits(config: EndpointConfig, params: SamplingParams) -> None:
    """Raise SamplingError for what the server's dialect cannot say."""
    if config.dialect == "openai" and params.top_k:
        raise SamplingError(
            f"top_k {params.top_k} is not in OpenAI's protocol; set top_k to 0, "
            "or generate.engine.dialect to vllm if the server knows it."
        )
    if config.dialect == "vllm" and 0 < params.temperature < COOLEST:
        raise SamplingError(
            f"vLLM samples at temperatures from {COOLEST} and at 0 (greedy), not at {params.temperature:g}; "
            "change generate.temperature."
        )
    if config.dialect == "openai" and not config.logprobs and params.k > 1 and config.n_per_request != 1:
        raise SamplingError(
            "without log-probabilities the server does not say how long each of several answers is; "
            "set generate.engine.n_per_request to 1 or generate.engine.logprobs to true."
        )


def body(
    request: Request, params: SamplingParams, config: EndpointConfig, model: str, bank: ImageBank, first: int, n: int
) -> bytes:
    """JSON for answers `first` to `first + n` of a request. Pictures go as data URLs of the bytes that the bank holds.

    Raises NotFound, DigestMismatch or ShardUnreadable for a picture that cannot be read.
    """
    fields: dict[str, Any] = {
        "model": model,
        "messages": turns(request.messages, request.images, bank),
        "n": n,
        "temperature": params.temperature,
        "top_p": params.top_p,
        config.length_field: params.max_new_tokens,
        "seed": derived_seed(params.seed, request.id, first) % 2**SEED_BITS,
    }
    if params.stop:
        fields["stop"] = list(params.stop)
    if config.logprobs:
        fields["logprobs"] = True
    if config.dialect == "vllm":
        fields |= _vllm_fields(params)
    if request.begun:
        fields["messages"].append({"role": "assistant", "content": request.begun})
        fields |= {"continue_final_message": True, "add_generation_prompt": False}
    return orjson.dumps(fields | config.options)


def _vllm_fields(params: SamplingParams) -> dict[str, Any]:
    """What vLLM takes beyond OpenAI's protocol: token ids tell how long each answer is, its end token included.

    What is left open a server fills in from the checkpoint's generation_config.json, and no row would tell; so all is said.
    """
    fields: dict[str, Any] = {
        "return_token_ids": True,
        "top_k": params.top_k or -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
    }
    if params.stop:
        fields["include_stop_str_in_output"] = True
    return fields


def turns(messages: Sequence[Message], images: Sequence[ImageRef], bank: ImageBank) -> list[dict[str, Any]]:
    """Messages as the protocol has them; the pictures come before the first user turn's text, as in `chat_parts`."""
    said: list[dict[str, Any]] = []
    left = list(images)
    for message in messages:
        content: Any = message.content
        if message.role == "user" and left:
            content = [_picture(ref, bank) for ref in left] + [{"type": "text", "text": message.content}]
            left = []
        said.append({"role": message.role, "content": content})
    return said


def _picture(ref: ImageRef, bank: ImageBank) -> dict[str, Any]:
    encoded = base64.b64encode(bank.bytes(ref.sha256)).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:{ref.media_type};base64,{encoded}"}}
