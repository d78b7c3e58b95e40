"""Read each prompt once, however many completions it gets.

`generate(num_return_sequences=k)` repeats the inputs k times and reads picture and question k times. Here the prompt
is read once and its cache repeated: the same completions, and half of the time on the tiny seed at k=8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SHARING = frozenset({"idefics3"})
"""Architectures for which this was tested to change no completion. Those with positions of their own are no candidates."""


def completions(
    model: Any, inputs: Mapping[str, torch.Tensor], n: int, generation: Any, processors: list[Any], stopping: Any = None
) -> Any:
    """Token ids (prompts x n, prompt and completion): `n` completions of each left-padded row of `inputs`."""
    if n == 1 or model.config.model_type not in SHARING:
        generation.num_return_sequences = n
        return model.generate(
            **inputs, generation_config=generation, logits_processor=processors, stopping_criteria=stopping
        )
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    pictures = {name: value for name, value in inputs.items() if name not in ("input_ids", "attention_mask")}
    # The last token stays for generate, which needs its logits. Padding must not shift positions.
    read = model(
        input_ids=ids[:, :-1],
        attention_mask=mask[:, :-1],
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0)[:, :-1],
        use_cache=True,
        logits_to_keep=1,
        **pictures,
    )
    cache = read.past_key_values
    cache.batch_repeat_interleave(n)
    return model.generate(
        input_ids=ids.repeat_interleave(n, dim=0),
        attention_mask=mask.repeat_interleave(n, dim=0),
        past_key_values=cache,
        generation_config=generation,
        logits_processor=processors,
        stopping_criteria=stopping,
    )
