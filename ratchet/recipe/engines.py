"""What runs the model that answers: in this process, by vLLM, or behind an OpenAI-compatible server."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator

from ratchet.recipe.naming import named
from ratchet.records import Record


class TransformersConfig(Record):
    """transformers' generate, batched, in the stage's process."""

    kind: Literal["transformers"] = "transformers"


VLLM_OURS = {
    "model": "it is the round's seed",
    "tokenizer": "it comes with the model",
    "skip_tokenizer_init": "prompts are read with the model's tokenizer",
    "runner": "answers are generated",
    "trust_remote_code": "a model's own code is never run",
    "seed": "each completion has its own, drawn from the recipe's",
    "generation_config": "the recipe says how answers are drawn, not the checkpoint",
    "logprobs_mode": "log-probabilities are those at temperature 1",
    "dtype": "set generate.dtype",
    "max_model_len": "set generate.engine.max_model_len",
    "max_num_seqs": "set generate.engine.max_num_seqs",
    "gpu_memory_utilization": "set generate.engine.memory_share",
    "kv_cache_memory_bytes": "set generate.engine.cpu_gib or memory_share",
    "enforce_eager": "set generate.engine.eager",
    "tensor_parallel_size": "set generate.engine.tensor_parallel",
}
"""Arguments of vllm.LLM that are not passed through, and why not or what to set instead."""


class VllmConfig(Record):
    """vLLM offline, in the stage's process; it starts with the stage and ends with it."""

    kind: Literal["vllm"] = "vllm"
    max_model_len: int | None = Field(None, gt=0, description="most tokens of prompt and answer; null: the model's own")
    max_num_seqs: int | None = Field(
        None, gt=0, description="completions sampled at once; null: generate.batch_size, at most 1024"
    )
    memory_share: float = Field(0.9, gt=0, le=1, description="share of the GPU's memory; without a GPU see cpu_gib")
    cpu_gib: float = Field(1.0, gt=0, description="GiB for the key-value cache where there is no GPU")
    eager: bool = Field(False, description="no compiled graphs: starts sooner, runs slower; always so without a GPU")
    tensor_parallel: int = Field(1, gt=0, description="GPUs that share one model")
    options: dict[str, Any] = Field(default_factory=dict, description="further arguments of vllm.LLM")

    @field_validator("options")
    @classmethod
    def _leaves_ours(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in options:
            if name in VLLM_OURS:
                raise ValueError(f"{name} is not an option: {VLLM_OURS[name]}")
        return options


class EndpointConfig(Record):
    """Any OpenAI-compatible chat server that takes images. The API key comes from the environment only."""

    kind: Literal["endpoint"] = "endpoint"
    url: str | None = Field(None, description="base address, such as http://host:8000/v1; null: RATCHET_ENDPOINT_URL")
    model: str | None = Field(None, description="model name at the server; null: the only one that it serves")
    serves: Literal["seed", "teacher"] = Field(
        "teacher", description="seed: the server runs this round's seed; teacher: another model (answers are external)"
    )
    dialect: Literal["vllm", "openai"] = Field(
        "vllm",
        description="vllm: send its further fields (top_k, stop texts kept, going on from a beginning); openai: none",
    )
    key_env: str = Field("RATCHET_ENDPOINT_KEY", description="environment variable with the API key, if one is needed")
    n_per_request: int | None = Field(
        None, gt=0, description="completions asked for in one request; null: all k. 1 for servers that refuse n > 1"
    )
    length_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="what the server calls the limit of an answer"
    )
    concurrency: int = Field(16, gt=0, description="most requests in flight")
    timeout_seconds: float = Field(120.0, gt=0, description="limit for one request")
    retries: int = Field(5, ge=0, description="tries after the first, with growing jittered waits")
    break_after: int = Field(20, gt=0, description="so many requests in a row failed: stop (circuit breaker)")
    logprobs: bool = Field(True, description="ask for log-probabilities; some gateways refuse")
    options: dict[str, Any] = Field(default_factory=dict, description="further fields of each request's body")

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str | None) -> str | None:
        return None if url is None else base_url(url)

    @field_validator("options")
    @classmethod
    def _only_further(cls, options: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(OWN_FIELDS & set(options))
        if taken:
            raise ValueError(
                f"{', '.join(taken)} would contradict what the rows record; "
                "set the fields of generate and generate.engine instead (model, k, temperature, max_new_tokens, ...)"
            )
        return options


OWN_FIELDS = frozenset(
    {
        *("model", "messages", "n", "stream", "temperature", "top_p", "top_k", "seed", "stop", "logprobs"),
        *("max_tokens", "max_completion_tokens", "continue_final_message", "add_generation_prompt"),
        *("include_stop_str_in_output", "return_token_ids"),
    }
)
"""Fields of a request's body that follow from the recipe, so that what the rows say of an answer is true."""


def base_url(given: str) -> str:
    """An endpoint's base address without the last slash. Raises ValueError, which never repeats a password."""
    parts = urlsplit(given)
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "the address holds a name or password, which would end up in manifests; "
            "take them out and put the API key into the environment variable that key_env names"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("not an http(s) base address such as http://host:8000/v1")
    return given.rstrip("/")


NAMES = ("transformers", "vllm", "endpoint")


def _named(value: Any) -> Any:
    return named(value, "kind", NAMES, "engine")


EngineConfig = Annotated[
    Annotated[TransformersConfig | VllmConfig | EndpointConfig, Field(discriminator="kind")], BeforeValidator(_named)
]
"""An engine's name stands for its defaults."""
