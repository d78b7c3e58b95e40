"""Build the seed's architecture: a tiny Idefics3 with its processor, tokenizer and chat template, weights random.

Idefics3 is the one family that transformers, TRL and vLLM all run without torchvision. vLLM wants a text head size of
32 (or some larger ones), so it is set apart from the hidden size.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet.tinyworld.draw import SIDE
from ratchet.tinyworld.scene import COLOURS, COLUMNS, ROWS, SHAPES

if TYPE_CHECKING:
    from transformers import Idefics3ForConditionalGeneration, Idefics3Processor, PreTrainedTokenizerFast

PATCH = 16
SCALE = 1
IMAGE_TOKENS = (SIDE // PATCH // SCALE) ** 2
PAD, UNK, BOS, EOS = "<pad>", "<unk>", "<bos>", "<end_of_utterance>"
IMAGE, FAKE, GLOBAL = "<image>", "<fake_token_around_image>", "<global-img>"
SPECIALS = (PAD, UNK, BOS, EOS, "<|system|>", "<|user|>", "<|assistant|>", IMAGE, FAKE, GLOBAL)

# `generation` tags mark what TRL's assistant_only_loss trains on. Content is a string or a list of parts.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' -}}"
    "{%- if message['role'] == 'assistant' -%}{%- generation -%}"
    "{%- if message['content'] is string -%}{{- message['content'] -}}"
    "{%- else -%}{%- for part in message['content'] -%}{{- part['text'] -}}{%- endfor -%}{%- endif -%}"
    "{{- '<end_of_utterance>' -}}{%- endgeneration -%}"
    "{%- else -%}"
    "{%- if message['content'] is string -%}{{- message['content'] -}}"
    "{%- else -%}{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}{{- '<image>' -}}{%- else -%}{{- part['text'] -}}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{{- '<end_of_utterance>' -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def words() -> list[str]:
    """Every word of the tiny world's questions and answers, in a fixed order."""
    # The last line is for hints and for negatives' instructions: the seed has the words, and has not learned them.
    asked = """how many is there a an read the digits digit . ? , what sum of where more or list objects object
        which picture has yes no same first second nothing and
        above below hint : answer describe look carefully in detail it"""
    plural = [f"{shape}s" for shape in SHAPES]
    sides = ["left", "right", "of"]
    numbers = [str(number) for number in range(19)]
    return list(dict.fromkeys([*asked.split(), *COLOURS, *SHAPES, *plural, *ROWS, *COLUMNS, *sides, *numbers]))


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token per word; padding on the left, as generation needs it."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: number for number, token in enumerate([*SPECIALS, *words()])}
    core = Tokenizer(WordLevel(vocabulary, unk_token=UNK))
    core.pre_tokenizer = WhitespaceSplit()
    core.add_special_tokens(list(SPECIALS))
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        unk_token=UNK,
        bos_token=BOS,
        eos_token=EOS,
        padding_side="left",
        model_max_length=256,
        clean_up_tokenization_spaces=False,
    )


def build_processor() -> Idefics3Processor:
    """Pictures of any size come out 48 x 48, one tile, `IMAGE_TOKENS` tokens."""
    from transformers import Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    images = Idefics3ImageProcessorPil(
        do_image_splitting=False,
        do_resize=False,
        size={"longest_edge": SIDE},
        max_image_size={"longest_edge": SIDE},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return Idefics3Processor(images, build_tokenizer(), image_seq_len=IMAGE_TOKENS, chat_template=CHAT_TEMPLATE)


def build_config(tokenizer: PreTrainedTokenizerFast, **text: Any) -> Any:
    """The architecture; `text` overrides the language part (width, layers)."""
    from transformers import Idefics3Config

    pad, eos, bos = (tokenizer.convert_tokens_to_ids(token) for token in (PAD, EOS, BOS))
    width = text.get("hidden_size", 96)
    language = {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 32,
        "max_position_embeddings": 256,
        "initializer_range": 0.08,
        "tie_word_embeddings": True,
        "pad_token_id": pad,
        "bos_token_id": bos,
        "eos_token_id": eos,
        **text,
    }
    vision = {
        "hidden_size": 96,
        "intermediate_size": 288,
        "num_hidden_layers": 1,
        "num_attention_heads": 3,
        "image_size": SIDE,
        "patch_size": PATCH,
        "initializer_range": 0.08,
    }
    return Idefics3Config(
        vision_config=vision,
        text_config=language,
        scale_factor=SCALE,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        tie_word_embeddings=True,
        pad_token_id=pad,
        bos_token_id=bos,
        eos_token_id=eos,
    )


def build_model(processor: Idefics3Processor, seed: int, **text: Any) -> Idefics3ForConditionalGeneration:
    """The model with random weights drawn from `seed`."""
    import torch
    from transformers import GenerationConfig, Idefics3ForConditionalGeneration

    torch.manual_seed(seed)
    config = build_config(processor.tokenizer, **text)
    model = Idefics3ForConditionalGeneration(config)
    ids = {name: getattr(config, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    model.generation_config = GenerationConfig(**ids)
    return model


def save(model: Idefics3ForConditionalGeneration, processor: Idefics3Processor, folder: Path) -> None:
    """Write model (bfloat16) and processor; `model` itself keeps its precision."""
    import copy

    import torch

    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)
