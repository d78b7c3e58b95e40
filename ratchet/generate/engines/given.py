"""Texts whose likelihood is asked for: as the tokens that the model would have had to say, and what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.errors import SamplingError
from ratchet.generate.chat import chat_parts, request_text
from ratchet.generate.engine import Answer, Given, TextLikelihood, joined
from ratchet.generate.engines.endpoint_reply import is_unicode

NOT_UNICODE = "the text holds half of a surrogate pair, which is no character"


@dataclass(frozen=True)
class Read:
    """A given text's prompt, as the chat template writes it, and the tokens of its answer, end token included if it ended."""

    prompt: str
    tokens: tuple[int, ...]


def check(given: Sequence[Given]) -> None:
    """Raise SamplingError for a request that would be decoded with a mix: no model alone says how likely its answer is."""
    if any(one.request.mixed for one in given):
        raise SamplingError("the likelihood of an answer under mixed logits is not defined; leave mix and forget at 0.")


def read(processor: Any, given: Given, ends: Sequence[int]) -> Read | TextLikelihood:
    """The text in the place where the template puts an answer, or why it cannot stand there.

    The template writes the whole conversation, and what it adds to the prompt is the answer: so a blank before the first
    word, or none, is there as in training. Sampled answers of a model that keeps to its template have the same tokens.
    """
    if not is_unicode(given.text):
        return TextLikelihood.failed("refused", NOT_UNICODE)
    special = next((mark for mark in _marks(processor.tokenizer) if mark in given.text), None)
    if special is not None:
        return TextLikelihood.failed(
            "refused", f"the text holds {special!r}, which the model reads as a token of its own"
        )
    prompt = request_text(processor, given.request)
    if isinstance(prompt, Answer):
        return TextLikelihood(None, 0, prompt.error)
    tokens = _added(processor.tokenizer, prompt, _whole(processor, given, prompt))
    at = next((place for place, token in enumerate(tokens) if token in ends), None)
    said = tokens if at is None else tokens[:at]
    if given.ended:
        said = [*said, ends[0] if at is None else tokens[at]]
    if not said:
        return TextLikelihood.failed("empty", "the text has no token")
    return Read(prompt, tuple(said))


def _whole(processor: Any, given: Given, prompt: str) -> str:
    """The conversation with the answer; where the template writes the prompt differently then, the text after the prompt."""
    from jinja2 import TemplateError

    turns = chat_parts(given.request.messages, len(given.request.images))
    answer = joined(given.request.begun, given.text)
    turns.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    try:
        whole = str(processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=False))
    except (TemplateError, ValueError, TypeError):
        whole = ""
    return whole if whole.startswith(prompt) else prompt + given.text


def _added(tokenizer: Any, before: str, whole: str) -> list[int]:
    """The tokens that `whole` has beyond `before`."""
    first, both = (list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in (before, whole))
    if both[: len(first)] == first:
        return both[len(first) :]
    # The last token of the prompt would grow into the answer; a model that answers cannot do that.
    return list(tokenizer(whole[len(before) :], add_special_tokens=False)["input_ids"])


def _marks(tokenizer: Any) -> list[str]:
    added = (str(token.content) for token in tokenizer.added_tokens_decoder.values() if token.special)
    return sorted({*map(str, tokenizer.all_special_tokens), *added})
