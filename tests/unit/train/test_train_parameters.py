"""Which weights learn: towers of three architectures, adapters with and without vision, precision, checkpointing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ratchet import models
from ratchet.errors import RecipeError, TrainError
from ratchet.recipe import LoraConfig, ParametersConfig, TrainConfig
from ratchet.train import METHODS, Job, check, options, sft, towers, weights
from tests import architectures
from tests.unit.train.builders import Rows

NAMES = tuple(architectures.ARCHITECTURES)
VISION = {"idefics3": "model.vision_model", "llava": "model.vision_tower", "gemma3": "model.vision_tower"}
PROJECTOR = {
    "idefics3": "model.connector",
    "llava": "model.multi_modal_projector",
    "gemma3": "model.multi_modal_projector",
}
TEXT = {"idefics3": "model.text_model", "llava": "model.language_model", "gemma3": "model.language_model"}


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One seed an architecture, in several files."""
    root = tmp_path_factory.mktemp("architectures")
    return {name: architectures.save(name, root / name, shard="200KB") for name in NAMES}


def trained(config: TrainConfig, seed_dir: Path, rows: Any, out: Path) -> set[str]:
    """Names of the weights that training moved."""
    METHODS[config.method](Job(config, seed_dir, rows, out, 3))
    before, after = models.load(seed_dir)[0].state_dict(), models.load(out)[0].state_dict()
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def config_of(**options: Any) -> TrainConfig:
    return TrainConfig(max_steps=2, batch_size=4, learning_rate=2e-2, warmup_ratio=0, **options)


@pytest.mark.parametrize("name", NAMES)
def test_towers_are_found_by_structure(name: str, seeds: dict[str, Path]) -> None:
    found = towers.find(models.load(seeds[name])[0])
    assert found.of("vision") == (VISION[name],)
    assert found.of("projector") == (PROJECTOR[name],)
    assert found.of("text") == (TEXT[name], "lm_head")


def test_a_projector_inside_of_the_vision_tower_is_found() -> None:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3]}
    vision = {"depth": 1, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "patch_size": 4}
    config = Qwen2VLConfig(
        text_config={**text, "num_key_value_heads": 2, "vocab_size": 99, "rope_scaling": rope},
        vision_config=vision,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
    )
    found = towers.find(Qwen2VLForConditionalGeneration(config))
    assert found.of("projector") == ("model.visual.merger",)
    assert found.of("vision") == ("model.visual",)


def test_a_tower_that_is_not_there_is_an_error_that_lists_modules() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    )
    with pytest.raises(
        TrainError, match=r"no vision tower was found in the model; its modules are model, model\.embed_tokens"
    ):
        towers.freeze(model, ("vision",))


@pytest.mark.parametrize("method", ["sft", pytest.param("dpo", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_all_architectures_learn_whole(
    name: str, method: str, seeds: dict[str, Path], rows_of: Rows, tmp_path: Path
) -> None:
    moved = trained(config_of(method=method), seeds[name], rows_of(method, 8), tmp_path / "out")
    for part in (VISION[name], PROJECTOR[name], TEXT[name]):
        assert any(weight.startswith(part) for weight in moved)


@pytest.mark.parametrize(
    ("name", "method", "frozen"),
    [
        ("idefics3", "sft", ("vision",)),
        ("llava", "sft", ("vision", "projector")),
        ("gemma3", "dpo", ("vision", "projector")),
        pytest.param("llava", "dpo", ("text",), marks=pytest.mark.slow),
        pytest.param("gemma3", "sft", ("text", "vision"), marks=pytest.mark.slow),
    ],
)
def test_frozen_towers_do_not_move_and_the_others_do(
    name: str, method: str, frozen: tuple[Any, ...], seeds: dict[str, Path], rows_of: Rows, tmp_path: Path
) -> None:
    config = config_of(method=method, parameters=ParametersConfig(frozen=frozen))
    moved = trained(config, seeds[name], rows_of(method, 8), tmp_path / "out")
    parts = {"vision": VISION[name], "projector": PROJECTOR[name], "text": TEXT[name]}
    for tower, part in parts.items():
        assert any(weight.startswith(part) for weight in moved) == (tower not in frozen)


@pytest.mark.parametrize("method", ["sft", pytest.param("dpo", marks=pytest.mark.slow)])
@pytest.mark.parametrize("vision", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_adapters_with_and_without_vision(
    name: str, vision: bool, method: str, seeds: dict[str, Path], rows_of: Rows, tmp_path: Path
) -> None:
    lora = LoraConfig(rank=4, alpha=16, vision=vision)
    moved = trained(config_of(method=method, lora=lora), seeds[name], rows_of(method, 8), tmp_path / "out")
    assert any(weight.startswith(VISION[name]) for weight in moved) == vision
    assert any(weight.startswith(TEXT[name]) for weight in moved)


def test_a_frozen_tower_gets_no_adapters(seeds: dict[str, Path], rows_of: Rows, tmp_path: Path) -> None:
    config = config_of(lora=LoraConfig(rank=4), parameters=ParametersConfig(frozen=("text",)))
    moved = trained(config, seeds["llava"], rows_of("sft", 8), tmp_path / "out")
    assert moved
    assert not any(weight.startswith(TEXT["llava"]) for weight in moved)


def test_targets_that_lie_in_vision_alone_need_vision(seeds: dict[str, Path]) -> None:
    model = models.load(seeds["llava"])[0]
    config = config_of(lora=LoraConfig(targets=("fc1", "fc2"), vision=False))
    with pytest.raises(
        TrainError, match=r"all 6 modules that train\.lora\.targets \(fc1, fc2\) names lie in what gets no adapter"
    ):
        weights.adapter(config, model)
    mixed = weights.adapter(config_of(lora=LoraConfig(targets=("q_proj",), vision=False)), model)
    assert mixed.exclude_modules is not None
    text_alone = weights.adapter(config_of(lora=LoraConfig(targets=("gate_proj",), vision=False)), model)
    assert text_alone.exclude_modules is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lora": {"vision": False, "targets": ["vision_model.q_proj"]}}, r"names vision_model\.q_proj, which lie in"),
        ({"parameters": {"frozen": ["vision", "text", "projector"]}}, "nothing would learn"),
        ({"parameters": {"precision": "int8"}}, "float16"),
    ],
)
def test_recipes_that_cannot_be_meant_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig.model_validate(given)


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16", "float16"])
def test_precision_reaches_trl(precision: Any, tmp_path: Path) -> None:
    made = sft.arguments(TrainConfig(parameters=ParametersConfig(precision=precision)), tmp_path, 0)
    if not torch.accelerator.is_available():
        assert (made.bf16, made.fp16) == (precision == "bfloat16", False)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is a GPU")
def test_float16_needs_a_gpu_when_training_begins(seed_dir: Path, rows_of: Rows, tmp_path: Path) -> None:
    config = config_of(parameters=ParametersConfig(precision="float16"))
    check(config)
    with pytest.raises(TrainError, match="float16, but there is no GPU here: float16 needs a loss scaler"):
        trained(config, seed_dir, rows_of("sft", 4), tmp_path / "out")
    options.check_device(config_of())


def test_bfloat16_computes_in_it_and_learns_in_float32(seed_dir: Path, rows_of: Rows, tmp_path: Path) -> None:
    for precision in ("bfloat16", "float32"):
        config = config_of(parameters=ParametersConfig(precision=precision))
        METHODS["sft"](Job(config, seed_dir, rows_of("sft", 8), tmp_path / precision, 3))
    one, other = (models.load(tmp_path / p)[0].state_dict() for p in ("bfloat16", "float32"))
    assert any(not torch.equal(one[name], other[name]) for name in one)
    settings = sft.arguments(config_of(parameters=ParametersConfig(precision="bfloat16")), tmp_path, 0)
    assert next(weights.load(seed_dir, config_of(), settings)[0].parameters()).dtype == torch.float32


@pytest.mark.parametrize("frozen", [(), ("text",)])
@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2)])
def test_checkpointing_changes_memory_and_not_weights(
    lora: LoraConfig | None, frozen: tuple[Any, ...], seed_dir: Path, rows_of: Rows, tmp_path: Path
) -> None:
    states = []
    for again in (False, True):
        parameters = ParametersConfig(gradient_checkpointing=again, frozen=frozen)
        config = config_of(parameters=parameters, lora=lora)
        assert sft.arguments(config, tmp_path, 0).gradient_checkpointing == again
        trained(config, seed_dir, rows_of("sft", 8), tmp_path / str(again))
        states.append(models.load(tmp_path / str(again))[0].state_dict())
    assert all(torch.allclose(states[0][name], states[1][name], atol=1e-2) for name in states[0])


@pytest.mark.parametrize("key", ["bf16", "fp16", "gradient_checkpointing"])
def test_our_names_are_the_only_ones(key: str) -> None:
    with pytest.raises(RecipeError, match=rf"train\.trl\.{key} would override train\.parameters\."):
        check(TrainConfig(trl={key: True}))
