"""What a model said, as text, where it went on from a beginning.

Tokenizers put the blank between two words into the second one's token (byte-level BPE), drop it at a text's start
(SentencePiece), or have none and put one between any two tokens (word level). So new tokens alone do not tell whether they
begin a word: the text that was added is what the whole has beyond the beginning. vLLM's server decodes so too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ratchet.generate.chat import chat_text
from ratchet.generate.engine import Request


def decoded(processor: Any, rows: Sequence[Sequence[int]], asked: Sequence[Request] = ()) -> list[str]:
    """The text of each row of tokens without special tokens; where its request has a beginning, what it adds to that.

    `asked` are the rows' requests, one each, or none where nothing was begun.
    """
    tokenizer = processor.tokenizer
    texts: list[str] = tokenizer.batch_decode(rows, skip_special_tokens=True)
    begun = [place for place, request in enumerate(asked) if request.begun]
    special = _special(tokenizer) if begun else set()
    for place in begun:
        plain = [token for token in rows[place] if token not in special]
        texts[place] = _added(processor, plain, asked[place])
    return texts


def _added(processor: Any, row: list[int], request: Request) -> str:
    tokenizer, shown = processor.tokenizer, _shown(processor, request)
    # Special tokens of the beginning stay: a word that the tokenizer does not know has its blank behind it all the same.
    ids = tokenizer(shown, add_special_tokens=False)["input_ids"]
    before, whole = (str(tokenizer.decode(tokens)) for tokens in (ids, ids + row))
    text = whole[len(before) :] if whole.startswith(before) else str(tokenizer.decode(row))
    blanks = request.begun[len(request.begun.rstrip()) :]
    if before.endswith(blanks):
        return text
    # The model saw no blanks at the end of `begun` and said its own, which are these, or one that stands for them.
    return text.removeprefix(blanks if text.startswith(blanks) else " ")


def _shown(processor: Any, request: Request) -> str:
    """What the model saw of a beginning: a template may have trimmed it on the right."""
    begun = request.begun
    if not begun[-1].isspace():
        return begun
    text = chat_text(processor, request.messages, len(request.images), begun)
    return begun if text.endswith(begun) else begun.rstrip()


def _special(tokenizer: Any) -> set[int]:
    marked = (number for number, token in tokenizer.added_tokens_decoder.items() if token.special)
    return {*tokenizer.all_special_ids, *marked}
