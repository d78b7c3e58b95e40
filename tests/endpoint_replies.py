"""The replies of the tests' endpoint: made-up answers as vLLM writes them, and what can be wrong with them."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from typing import Any

WORDS = ["a", "red", "blue", "green", "circle", "square", "cup", "dog", "1", "2", "3", "yes", "no", "left", "right"]
PROMPT_TOKENS = 30


def asked_of(body: dict[str, Any]) -> str:
    """Text of the last user turn."""
    content = [m for m in body["messages"] if m["role"] == "user"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def pictures_of(body: dict[str, Any]) -> list[tuple[str, bytes]]:
    """Media type and bytes of the pictures, in order."""
    parts = [p for m in body["messages"] if isinstance(m["content"], list) for p in m["content"]]
    found = []
    for part in parts:
        if part["type"] == "image_url":
            head, _, encoded = part["image_url"]["url"].partition(";base64,")
            found.append((head.removeprefix("data:"), base64.b64decode(encoded, validate=True)))
    return found


def choice_of(body: dict[str, Any], index: int) -> dict[str, Any]:
    """A made-up answer, as vLLM writes it: the end token is counted, and the stop text is kept when asked for."""
    text = json.dumps([body["messages"], body.get("seed"), body.get("temperature"), index], sort_keys=True)
    draw = random.Random(hashlib.sha256(text.encode()).hexdigest())
    limit = body.get("max_tokens") or body["max_completion_tokens"]
    words = draw.choices(WORDS, k=draw.randint(1, 8))
    ended = len(words) + 1 <= limit
    words = words[:limit]
    stop = next((w for w in words if w in body.get("stop", [])), None)
    if stop is not None:
        ended, words = True, words[: words.index(stop) + 1]
    tokens = [*words, "</s>"] if ended and stop is None else words
    shown = " ".join(words)
    if stop is not None and not body.get("include_stop_str_in_output"):
        shown = shown.removesuffix(stop)
    logprobs = [{"token": t, "logprob": -draw.random(), "bytes": None, "top_logprobs": []} for t in tokens]
    return {
        "index": index,
        "message": {"role": "assistant", "content": shown},
        "logprobs": {"content": logprobs} if body.get("logprobs") else None,
        "finish_reason": "stop" if ended else "length",
        "stop_reason": stop,
        "token_ids": [len(t) for t in tokens] if body.get("return_token_ids") else None,
    }


def reply_of(body: dict[str, Any]) -> dict[str, Any]:
    choices = [choice_of(body, index) for index in range(body.get("n", 1))]
    used = sum(len(choice_of(body | {"logprobs": True}, i)["logprobs"]["content"]) for i in range(len(choices)))
    return {
        "object": "chat.completion",
        "model": body["model"],
        "choices": choices,
        "usage": {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": used},
    }


def spoiled(reply: dict[str, Any], fault: str) -> dict[str, Any]:
    """A reply of the right form with something wrong in it."""
    first = reply["choices"][0]
    if fault == "empty":
        reply["choices"] = []
    elif fault == "fewer":
        reply["choices"] = reply["choices"][:-1]
    elif fault == "more":
        reply["choices"].append(first | {"index": len(reply["choices"])})
    elif fault == "twice":
        reply["choices"] = [first] * len(reply["choices"])
    elif fault == "shuffle":
        reply["choices"].reverse()
    elif fault == "null":
        first["message"]["content"] = None
    elif fault == "parts":
        first["message"]["content"] = [{"type": "text", "text": w} for w in (first["message"]["content"], " ")]
    elif fault == "picture_part":
        first["message"]["content"] = [{"type": "image_url", "image_url": {"url": "x"}}]
    elif fault in ("content_filter", "tool_calls", "abort"):
        first["finish_reason"] = fault
    elif fault == "wrong_model":
        reply["model"] = "somebody-else"
    elif fault == "nameless":
        del reply["model"]
    elif fault == "no_counts":
        for choice in reply["choices"]:
            choice["token_ids"] = choice["logprobs"] = None
    elif fault == "no_ids":
        for choice in reply["choices"]:
            choice["token_ids"] = None
    elif fault == "nan":
        first["logprobs"]["content"][0]["logprob"] = float("nan")
    elif fault == "surrogate":
        first["message"]["content"] = "a red \ud83d circle"
    elif fault == "negative":
        first["token_ids"] = None
        reply["usage"]["completion_tokens"] = -1
    elif fault == "endless":
        first["token_ids"] = None
        reply["usage"]["completion_tokens"] = 10**400
    elif fault == "digits":
        first["logprobs"]["content"][0]["logprob"] = -(10**400)
    elif fault == "overflow":
        first["logprobs"]["content"] = [{"logprob": -1.7e308}] * 2
    elif fault == "error200":
        return {"error": {"message": "upstream is busy"}}
    elif fault == "list":
        return {"choices": "none"} | {"model": reply["model"]}
    return reply
