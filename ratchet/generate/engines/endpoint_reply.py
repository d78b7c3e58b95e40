"""What an OpenAI-compatible server said: a reply's choices as answers, or the reason why it is none.

Three things can come of a request: answers, `Again` (a fault that may pass) or `Refused` (one that will not). What concerns
every request (a key, an address, a setting) is raised as SamplingError.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import Any

from ratchet.errors import SamplingError
from ratchet.generate.engine import Answer
from ratchet.generate.sampling import SamplingParams

PASSING = frozenset({408, 409, 425, 429})
"""Client errors that are worth another try; so are all of 500 and above."""
SHOWN = 300
MOST_TOKENS = 2**31 - 1
"""More than this is no count of an answer's tokens; files hold 64 bits."""

_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size)|maximum model length|max_model_len|too many tokens|"
    r"(prompt|input|request)[^.]{0,80}(too long|longer than)|exceeds?[^.]{0,60}\b(tokens|context)",
    re.IGNORECASE,
)


class Again(Exception):
    """A fault that may pass. `slug` and `words` become the row's error when it does not; `wait` is what the server asks."""

    def __init__(self, slug: str, words: str, wait: float = 0.0) -> None:
        super().__init__(f"{slug}: {words}")
        self.slug, self.words, self.wait = slug, words, wait


class Refused(Exception):
    """A request that the server understood and will not answer, today or tomorrow."""

    def __init__(self, slug: str, words: str) -> None:
        super().__init__(f"{slug}: {words}")
        self.slug, self.words = slug, words


@dataclass(frozen=True)
class Asked:
    """What a reply must match: `n` answers by `model`. `vllm`: its further fields were sent; `begun`: what answers go on from.

    `positions` are the most tokens that the model takes, where that is known.
    """

    model: str
    n: int
    params: SamplingParams
    vllm: bool
    begun: str
    positions: int | None = None


def answers(reply: Any, asked: Asked) -> tuple[Answer, ...]:
    """The reply's choices in the order of their index.

    Raises Again for a reply that is none (no choices, too few, of another shape) and Refused for another model's.
    """
    if not isinstance(reply, dict):
        raise Again("reply", f"JSON, but no reply: {brief(reply)}")
    if isinstance(reply.get("error"), dict | str) and "choices" not in reply:
        raise Again("reply", f"an error with status 200: {brief(message_of(reply))}")
    if reply.get("model") != asked.model:
        raise Refused(
            "reply",
            f"wrong model: asked for {asked.model!r}, answered by {_quoted(reply.get('model'))}; "
            "set generate.engine.model to the full name that the server gives",
        )
    choices = _in_order(reply.get("choices"), asked.n)
    given = reply.get("usage")
    usage: dict[str, Any] = given if isinstance(given, dict) else {}
    _check_length(usage.get("prompt_tokens"), asked)
    read = _read(usage)
    return tuple(replace(_answer(choice, asked, usage), n_prompt=read) for choice in choices)


def _read(usage: dict[str, Any]) -> int:
    """Tokens of the prompt; 0 where the server gives no such number."""
    given = usage.get("prompt_tokens")
    return int(given) if isinstance(given, int) and 0 < given <= MOST_TOKENS else 0


def _check_length(prompt_tokens: Any, asked: Asked) -> None:
    """Refuse what the other engines refuse: where a prompt leaves too little room, vLLM quietly lowers max_tokens."""
    new = asked.params.max_new_tokens
    if asked.positions is None or not isinstance(prompt_tokens, int) or prompt_tokens + new <= asked.positions:
        return
    raise Refused(
        "too_long",
        f"{prompt_tokens} tokens with pictures and max_new_tokens {new} exceed the model's {asked.positions} positions",
    )


def _in_order(choices: Any, n: int) -> list[dict[str, Any]]:
    """Exactly `n` choices, by index: where one is missing or twice, it is unknown which answer is whose."""
    if not isinstance(choices, list) or not all(isinstance(c, dict) for c in choices):
        raise Again("reply", f"no list of choices: {brief(choices)}")
    indices = [c.get("index", 0 if n == 1 else None) for c in choices]
    if not all(isinstance(index, int) for index in indices) or sorted(indices) != list(range(n)):
        raise Again("reply", f"asked for {n} choices, got {len(choices)} with index {brief(indices)}")
    return [choice for _, choice in sorted(zip(indices, choices, strict=True), key=lambda pair: pair[0])]


def _answer(choice: dict[str, Any], asked: Asked, usage: dict[str, Any]) -> Answer:
    reason = choice.get("finish_reason")
    if reason not in ("stop", "length"):
        return Answer.failed("reply", f"finish_reason {_quoted(reason)}")
    text = _text(choice)
    if text is None:
        return Answer.failed("reply", f"finish_reason {reason!r} without a text: {brief(choice.get('message'))}")
    if not is_unicode(text):
        return Answer.failed("reply", f"a text with half of a surrogate pair, which is no Unicode: {brief(text)}")
    if asked.begun and choice.get("token_ids") is None:
        return Answer.failed(
            "reply",
            "no sign that the server went on from the given beginning (a vLLM would return token_ids); "
            "take a vLLM server for strategies that begin the answer",
        )
    if reason == "stop" and asked.params.stop:
        whole = _stopped(choice, text, asked)
        if whole is None:
            return Answer.failed(
                "reply",
                "the server does not say which stop text ended the answer; "
                "take a server that does (generate.engine.dialect vllm), or a strategy without stop texts",
            )
        text = whole
    try:
        n_tokens, total = _counted(choice, asked, usage)
    except (ValueError, OverflowError) as error:
        return Answer.failed("reply", f"numbers that no answer has: {brief(str(error))}")
    return Answer.said(_beyond(asked.begun, text), asked.begun, n_tokens, reason, total)


def _beyond(begun: str, text: str) -> str:
    """What the answer adds to what it went on from.

    vLLM reads the prompt's tokens along and keeps the blank before the first new word (`DecodeStream(ids=prompt)` in
    vllm/v1/engine/detokenizer.py), so its text is taken as it is. Where `begun` ends with a blank and the text begins with
    one, the server's template or tokenizer took the first away, and the two are the same blank.
    """
    return text[1:] if begun.endswith(" ") and text.startswith(" ") else text


def _text(choice: dict[str, Any]) -> str | None:
    """The answer's text: a string, or a list of text parts."""
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        return "".join(texts) if len(texts) == len(parts) else None
    return content if isinstance(content, str) else None


def _stopped(choice: dict[str, Any], text: str, asked: Asked) -> str | None:
    """The text with the stop text that ended it (vLLM: stop_reason, SGLang: matched_stop); None where that is unknown."""
    ended_by = choice.get("stop_reason", choice.get("matched_stop"))
    if isinstance(ended_by, str):
        return text if text.endswith(ended_by) else text + ended_by
    known = asked.vllm or "stop_reason" in choice or "matched_stop" in choice
    return text if known else None


def _counted(choice: dict[str, Any], asked: Asked, usage: dict[str, Any]) -> tuple[int, float | None]:
    """Tokens with the end token, and the sum of their log-probabilities where the server gives one for each.

    Raises ValueError or OverflowError for numbers that neither can be.

    Token ids count them exactly (vLLM). Without, the usage is this answer's only if it is the request's only one, and the
    log-probabilities' number is the next best. vLLM's are under the model at temperature 1 (logprobs_mode raw_logprobs).
    """
    logprobs = _logprobs(choice)
    ids = choice.get("token_ids")
    used = usage.get("completion_tokens") if asked.n == 1 else None
    if isinstance(ids, list):
        n_tokens = len(ids)
    elif isinstance(used, int):
        n_tokens = _count(used)
    elif logprobs is not None:
        n_tokens = len(logprobs)
    else:
        raise SamplingError(
            f"the server does not say how many tokens each of {asked.n} answers has; "
            "set generate.engine.n_per_request to 1, or generate.engine.logprobs to true."
        )
    whole = logprobs is not None and len(logprobs) == n_tokens
    return n_tokens, math.fsum(logprobs) if whole and logprobs is not None else None


def _count(given: int) -> int:
    if not 0 <= given <= MOST_TOKENS:
        raise ValueError(f"usage.completion_tokens {brief(given)} is no number of tokens")
    return int(given)


def _logprobs(choice: dict[str, Any]) -> list[float] | None:
    holder = choice.get("logprobs")
    content = holder.get("content") if isinstance(holder, dict) else None
    if not isinstance(content, list):
        return None
    values = [one.get("logprob") if isinstance(one, dict) else None for one in content]
    numbers = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    return numbers if len(numbers) == len(values) else None


def parsed(content: bytes, media_type: str) -> Any:
    """The JSON of a reply with status 200; raises Again for HTML and for JSON that is cut, or nested without end."""
    try:
        return json.loads(content)
    except RecursionError:
        raise Again("reply", f"JSON that is nested too deeply: {brief(_decoded(content))}") from None
    except ValueError:
        kind = "HTML" if b"<html" in content[:1000].lower() or "html" in media_type else "JSON that is cut or broken"
        raise Again("reply", f"{kind} in place of a reply: {brief(_decoded(content))}") from None


def json_or_text(content: bytes) -> Any:
    """What an error reply holds, in whatever form."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content.decode(errors="replace")


def refusal(status: int, content: bytes) -> Refused:
    """The error of a request that is the request's own fault."""
    words = message_of(json_or_text(content))
    kind = "too_long" if _TOO_LONG.search(words) else "refused"
    return Refused(kind, f"HTTP {status}: {brief(words)}")


def message_of(reply: Any) -> str:
    """The server's words in an error reply (OpenAI's error.message, FastAPI's detail, or what there is)."""
    found = reply
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return found if isinstance(found, str) else _dumped(found)


def brief(value: Any) -> str:
    """At most 300 characters in one line, whatever a server sent; half surrogate pairs become question marks."""
    text = " ".join((value if isinstance(value, str) else _dumped(value)).split())
    text = text.encode(errors="replace").decode()
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def is_unicode(text: str) -> bool:
    """Whether a text can be written to a file: JSON's escapes can name half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _dumped(value: Any) -> str:
    """JSON, or only the type where a value is nested too deeply to be written."""
    try:
        return json.dumps(value, default=str)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__} that cannot be shown"


def _quoted(value: Any) -> str:
    return repr(brief(value)) if isinstance(value, str) else brief(value) if value is not None else "None"


def _decoded(content: bytes) -> str:
    return content[: 4 * SHOWN].decode(errors="replace")
