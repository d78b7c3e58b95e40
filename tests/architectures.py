"""Tiny random models of the three architectures that run on a CPU without torchvision: Idefics3, LLaVA and Gemma3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ratchet.tinyworld import seed_model
from ratchet.tinyworld.draw import SIDE

Build = Callable[[int], tuple[Any, Any]]
"""From a seed to (model, processor)."""
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def idefics3(seed: int) -> tuple[Any, Any]:
    processor = seed_model.build_processor()
    return seed_model.build_model(processor, seed), processor


def llava(seed: int) -> tuple[Any, Any]:
    """CLIP's tower, whose first token is left out; pictures come out SIDE x SIDE."""
    import torch
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = seed_model.build_tokenizer()
    size = {"height": SIDE, "width": SIDE}
    images = CLIPImageProcessorPil(size=size, crop_size=size, do_center_crop=True, **HALF)
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=seed_model.PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token=seed_model.IMAGE,
        chat_template=seed_model.CHAT_TEMPLATE,
    )
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**_vision()),
        text_config=LlamaConfig(**_text(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids(seed_model.IMAGE),
        image_seq_length=(SIDE // seed_model.PATCH) ** 2,
        **_ids(tokenizer),
    )
    torch.manual_seed(seed)
    return _ready(LlavaForConditionalGeneration(config)), processor


def gemma3(seed: int) -> tuple[Any, Any]:
    """SigLIP's tower pooled to four tokens a picture; a placeholder becomes <boi>, image tokens and <eoi>."""
    import torch
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    tokenizer = seed_model.build_tokenizer()
    marks = {"image_token": seed_model.IMAGE, "boi_token": "<boi>", "eoi_token": "<eoi>"}
    tokenizer.add_special_tokens({"additional_special_tokens": ["<boi>", "<eoi>"]}, replace_extra_special_tokens=False)
    tokenizer._set_model_specific_special_tokens(marks)
    images = Gemma3ImageProcessorPil(size={"height": 64, "width": 64}, **HALF)
    processor = Gemma3Processor(
        images,
        tokenizer,
        image_seq_length=4,
        chat_template=seed_model.CHAT_TEMPLATE.replace(f"'{seed_model.IMAGE}'", "'<boi>'"),
    )
    text = _text(tokenizer) | {"sliding_window": 64, "query_pre_attn_scalar": 32}
    config = Gemma3Config(
        vision_config=_vision() | {"model_type": "siglip_vision_model", "image_size": 64},
        text_config=text,
        mm_tokens_per_image=4,
        image_token_id=tokenizer.convert_tokens_to_ids(seed_model.IMAGE),
        boi_token_id=tokenizer.convert_tokens_to_ids("<boi>"),
        eoi_token_id=tokenizer.convert_tokens_to_ids("<eoi>"),
        **_ids(tokenizer),
    )
    torch.manual_seed(seed)
    model = Gemma3ForConditionalGeneration(config)
    # Zero as it begins, and then no gradient would reach the vision tower.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.08)
    return _ready(model), processor


ARCHITECTURES: Mapping[str, Build] = {"idefics3": idefics3, "llava": llava, "gemma3": gemma3}


def save(name: str, folder: Path, seed: int = 0, *, shard: str = "5GB", dtype: str = "bfloat16") -> Path:
    """The model (in `dtype`) and its processor in `folder`, in files of at most `shard`."""
    import torch

    model, processor = ARCHITECTURES[name](seed)
    folder.mkdir(parents=True)
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard)
    processor.save_pretrained(folder)
    return folder


def _text(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": 256,
        "initializer_range": 0.08,
        **_ids(tokenizer),
    }


def _vision() -> dict[str, Any]:
    return {
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": seed_model.PATCH,
    }


def _ids(tokenizer: Any) -> dict[str, int]:
    return {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}


def _ready(model: Any) -> Any:
    from transformers import GenerationConfig

    text = model.config.get_text_config()
    ids = {name: getattr(text, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    model.generation_config = GenerationConfig(**ids)
    return model
