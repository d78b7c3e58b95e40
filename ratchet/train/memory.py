"""How much memory a training will need, from the shapes of the model and of its longest batch, and how much there is.

Activations are what autograd keeps of a layer for its backward pass, counted operation by operation for the layers that
image-text models are made of (see `_text_layer` and `_vision_layer`; after Korthikanti et al. 2022, arXiv 2205.05198, whose
counts are for another layer). `ratchet train --dry-run` has the estimate beside what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratchet.errors import TrainError
from ratchet.recipe import TrainConfig
from ratchet.recipe.train import RL
from ratchet.train import sharding, weights
from ratchet.train.room import gpu_bytes, holding
from ratchet.train.together import world

Parts = Mapping[str, int]
"""Bytes by what they are for."""

GIB = 1 << 30
TILE_TOKENS, TILE_WORDS = 4096, 32768
"""TRL computes log-probabilities in tiles of so many tokens and words of the vocabulary."""
_TILES = {"cpu": 7, "cuda": 1}
"""float32 copies of a tile that are alive at once: Triton works in place, torch's operations do not."""
_STATE = {"8bit": 2.0, "4bit": 1.0, "paged": 8.0, "adafactor": 0.1, "sgd": 0.0, "lion": 4.0, "adam": 8.0}
"""Bytes of optimiser state a weight, by a part of the optimiser's name; the first that is in it counts."""


@dataclass(frozen=True)
class Batch:
    """The longest batch: sequences, tokens a sequence, pictures' patches in all, tokens that are made in a sequence; `whole` are
    sequences whose logits are there all at once, without a gradient."""

    sequences: int
    tokens: int
    patches: int
    new: int = 0
    whole: int = 0


@dataclass(frozen=True)
class Estimate:
    """Bytes at the worst moment of a step. `parts` add up to `total`; `held` is what the machine holds before."""

    parts: Parts
    held: int
    room: int
    device: str

    @property
    def total(self) -> int:
        return self.held + sum(self.parts.values())

    def table(self) -> str:
        """One line a part, in GiB."""
        lines = [("already in use by this process", self.held), *self.parts.items()]
        rows = [f"  {name:<34}{size / GIB:10.3f} GiB" for name, size in lines if size]
        return "\n".join(
            [*rows, f"  {'in all':<34}{self.total / GIB:10.3f} GiB of {self.room / GIB:.3f} GiB ({self.device})"]
        )


def estimate(model: Any, config: TrainConfig, settings: Any, batch: Batch, processes: int = 1) -> Estimate:
    """What training `model`, loaded and not yet wrapped, will need; `processes` as in `holding`."""
    device = "cuda" if settings.device.type == "cuda" else "cpu"
    own = sum(p.numel() * p.element_size() for p in model.parameters())
    learn = weights.learning(config, model)
    adapters = 4 * learn if config.lora else 0
    computed = 2 if settings.bf16 or settings.fp16 else 4
    kept = activations(model, config, settings, batch, computed)
    # Under FSDP each process has its part of all that lies beside the computation, and what it computes with for a moment.
    apart = world().parts
    gradients = 4 * learn // apart
    # Gradients grow as activations go, in the same memory on a GPU; with accumulation they are there from the second batch on.
    # On a CPU what activations leave free is rarely of a size that gradients can take (glibc's malloc; `python -m bench --only memory`).
    beside = kept + logits(model, batch, device, learn > 0)
    shared = beside if device == "cuda" and settings.gradient_accumulation_steps == 1 else 0
    parts = {
        "weights": (own + adapters if device == "cuda" else adapters) // apart,
        "copies in the computed precision": _copies(model, computed) if apart == 1 else 0,
        "gathered weights and gradients": _gathered(model, config, computed) if apart > 1 else 0,
        "reference model": own // apart if keeps_reference(config, settings) else 0,
        "optimiser state": int(learn * state_bytes(str(settings.optim))) // apart,
        "activations and logits": beside,
        "gradients": max(gradients - shared, 0),
        "rollouts": rollouts(model, batch, computed, getattr(settings, "steps_per_generation", None) or 1),
    }
    if getattr(settings, "use_vllm", False):
        parts["rollouts"] = served(settings, beside + parts["gradients"]) if device == "cuda" else 0
    held, room = holding(device, processes)
    return Estimate(parts, held, room, device)


def check_memory(found: Estimate, config: TrainConfig) -> None:
    """Raise TrainError, with the numbers and what would lower them, where the estimate fills more than the recipe allows."""
    share = config.parameters.memory_share
    if share is None or found.total <= share * found.room:
        return
    raise TrainError(
        f"training would need about {found.total / GIB:.2f} GiB, but train.parameters.memory_share allows "
        f"{share:g} of the {found.room / GIB:.2f} GiB of this {'GPU' if found.device == 'cuda' else 'machine'}:\n{found.table()}\n"
        f"{levers(config)} memory_share: null trains without this check."
    )


def levers(config: TrainConfig) -> str:
    """What makes a training smaller and is not in use yet."""
    ways = []
    if config.batch_size > 1:
        ways.append(f"lower train.batch_size ({config.batch_size}) and set train.trl.gradient_accumulation_steps")
    if not config.parameters.gradient_checkpointing:
        ways.append("set train.parameters.gradient_checkpointing: true")
    if config.lora is None:
        ways.append("use train.lora")
        if "vision" not in config.parameters.frozen:
            ways.append("freeze towers (train.parameters.frozen)")
    if config.parameters.precision in ("auto", "float32"):
        ways.append("set train.parameters.precision: bfloat16")
    if "optim" not in config.trl:
        ways.append("set train.trl.optim: adamw_8bit (on a GPU) or adafactor")
    if config.method in RL and config.reinforcement.rollouts in ("auto", "colocate"):
        ways.append(
            "where vLLM shares the GPU, set train.trl.vllm_enable_sleep_mode: true or a lower vllm_gpu_memory_utilization"
        )
    together = world()
    if together.parts == 1:
        ways.append("share the model among several GPUs (the profile's launcher, with strategy: fsdp)")
    else:
        ways.append(f"share it among more processes than {together.size} (launcher.processes, launcher.nodes)")
    return f"To make it smaller: {'; '.join(ways)}."


def state_bytes(optimiser: str) -> float:
    """Bytes of state a weight that learns: two float32 moments for Adam."""
    return next((size for name, size in _STATE.items() if name in optimiser), 8.0)


def keeps_reference(config: TrainConfig, settings: Any) -> bool:
    """Whether the method keeps a frozen copy of the whole model beside the policy."""
    if config.lora is not None:
        return False
    if config.method == "dpo":
        return config.needs_reference
    return config.method == "kto" or (config.method in ("grpo", "rloo") and bool(getattr(settings, "beta", 0)))


def activations(model: Any, config: TrainConfig, settings: Any, batch: Batch, size: int) -> int:
    """Bytes that the backward pass needs of the forward pass, and of the layer that it is at."""
    text, vision = model.config.get_text_config(), getattr(model.config, "vision_config", None)
    tokens = batch.sequences * batch.tokens
    eager = getattr(text, "_attn_implementation", None) == "eager"
    square = 2 * text.num_attention_heads * batch.sequences * batch.tokens**2 if eager else 0
    layer = tokens * _text_layer(text) + square
    found = _stack(layer, tokens * text.hidden_size, text.num_hidden_layers, settings.gradient_checkpointing)
    if vision is not None and _vision_learns(config):
        width, layers = _first(vision, "hidden_size", "embed_dim"), _first(vision, "num_hidden_layers", "depth")
        each = batch.patches * _vision_layer(vision, width)
        found += _stack(each, batch.patches * width, layers, settings.gradient_checkpointing)
    return int(size * found)


def logits(model: Any, batch: Batch, device: str, learns: bool) -> int:
    """Bytes of TRL's tiles of log-probabilities, of the last layer's gradient, of the head's weights', and of whole logits in
    float32, as a model gives them."""
    text = model.config.get_text_config()
    tokens = batch.sequences * batch.tokens
    tile = min(tokens, TILE_TOKENS) * min(text.vocab_size, TILE_WORDS) * 4
    head = 4 * text.vocab_size * text.hidden_size if learns else 0
    whole = 4 * batch.whole * batch.tokens * text.vocab_size
    return int(_TILES[device] * tile + 2 * 4 * tokens * text.hidden_size + head + whole)


def rollouts(model: Any, batch: Batch, size: int, batches: int = 1) -> int:
    """Bytes of keys and values while completions are made, for so many batches at once: 2 x layers x heads x width a token."""
    if not batch.new:
        return 0
    text = model.config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    return int(2 * size * text.num_hidden_layers * heads * _head(text) * batches * batch.sequences * batch.tokens)


def served(settings: Any, step: int) -> int:
    """Bytes of the GPU that vLLM takes for weights, keys and values of its own where it makes completions beside the learner.

    Asleep it has none while a step takes `step` bytes.
    """
    if settings.vllm_mode != "colocate":
        return 0
    share = int(settings.vllm_gpu_memory_utilization * gpu_bytes())
    return max(share - step, 0) if settings.vllm_enable_sleep_mode else share


def _stack(layer: int, between: int, layers: int, checkpointing: bool) -> int:
    return layers * between + layer if checkpointing else layers * layer


def _text_layer(text: Any) -> int:
    """Numbers that a decoder layer keeps a token: both norms keep their input, its normed form and their output (6 h); rotated
    queries and keys, values, the attention's output and its copy (3 a + 2 k); a gated MLP keeps four of its width."""
    queries = text.num_attention_heads * _head(text)
    keys = (getattr(text, "num_key_value_heads", None) or text.num_attention_heads) * _head(text)
    return int(6 * text.hidden_size + 3 * queries + 2 * keys + 4 * text.intermediate_size)


def _vision_layer(vision: Any, width: int) -> int:
    """Numbers that an encoder layer keeps a patch: the norms' inputs and outputs (4 h), queries, keys, values, the
    attention's output and its copy (5 h), and two of the MLP's width."""
    inner = getattr(vision, "intermediate_size", None) or int(width * getattr(vision, "mlp_ratio", 4))
    return int(9 * width + 2 * inner)


def _vision_learns(config: TrainConfig) -> bool:
    """Whether a backward pass goes through the vision tower: nothing lies before it."""
    if "vision" in config.parameters.frozen:
        return False
    return config.lora is None or config.lora.vision


def _copies(model: Any, size: int) -> int:
    """Autocast keeps a copy of every float32 weight until the step's end."""
    return sum(size * p.numel() for p in model.parameters() if p.element_size() > size and p.dim() > 1)


def _gathered(model: Any, config: TrainConfig, size: int) -> int:
    """Gathered layers in the computed precision, and as many gradients before each process takes its part; adapters' are small."""
    return sharding.gathered(model) * size * (1 if config.lora else 2)


def _head(text: Any) -> int:
    return int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)


def _first(config: Any, *names: str) -> int:
    return next(int(value) for name in names if (value := getattr(config, name, None)) is not None)
