"""Small rows for tests: prompts, completions and groups, and hypothesis strategies for them."""

from __future__ import annotations

import io

from hypothesis import strategies as st
from PIL import Image

from ratchet.artifacts import ref_of
from ratchet.records import Completion, Group, ImageRef, Message, Negative, Pair, Part, Prompt, Sampling, Shown, Verdict


def png(colour: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (8, 8)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def image_ref(number: int = 0) -> ImageRef:
    return ref_of(png((number % 256, number // 256 % 256, 7)))


def prompt(
    number: int = 0, reference: str | None = "3", verifiers: tuple[str, ...] = ("numeric",), skill: str = "count"
) -> Prompt:
    return Prompt.make(
        messages=[Message(role="user", content=f"how many in {number} ?")],
        images=[image_ref(number)],
        skill=skill,
        source="test",
        reference=reference,
        verifiers=verifiers,
    )


def completion(index: int = 0, text: str = "3") -> Completion:
    sampling = Sampling(seed=index, temperature=1.0, max_new_tokens=8)
    return Completion(index=index, text=text, finish_reason="stop", sampling=sampling, n_tokens=2, model="m v1")


def group(number: int = 0, texts: tuple[str, ...] = ("3", "4")) -> Group:
    return Group(prompt=prompt(number), completions=tuple(completion(i, t) for i, t in enumerate(texts)))


_text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
_score = st.none() | st.floats(0, 1)
_number = st.floats(allow_nan=False, allow_infinity=False, width=32)
_images = st.builds(
    ImageRef,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    media_type=st.just("image/png"),
    width=st.integers(1, 4000),
    height=st.integers(1, 4000),
)
_messages = st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=_text)
_some_messages = st.lists(_messages, min_size=1, max_size=2).map(tuple)
_some_images = st.lists(_images, min_size=1, max_size=2).map(tuple)
_prompts = st.builds(
    Prompt,
    id=_text,
    messages=_some_messages,
    images=_some_images,
    reference=st.none() | _text,
    verifiers=st.lists(_text, max_size=2).map(tuple),
    skill=_text,
    difficulty=st.none() | _number,
    source=_text,
    licence=st.none() | _text,
    split_key=_text,
)
_verdicts = st.builds(
    Verdict,
    verifier=_text,
    version=_text,
    score=_score,
    passed=st.none() | st.booleans(),
    reason=_text,
    detail=st.none() | _text,
    versus=st.none() | st.integers(0, 9),
    parts=st.lists(st.builds(Part, name=_text, score=_number), max_size=2).map(tuple),
    tokens=st.integers(0, 99),
    error=st.none() | _text,
)
_completions = st.builds(
    Completion,
    index=st.integers(0, 9),
    text=_text,
    finish_reason=st.sampled_from(["stop", "length", "error"]),
    sampling=st.builds(
        Sampling, seed=st.integers(0, 2**62), temperature=st.floats(0, 2), max_new_tokens=st.integers(1, 99)
    ),
    logprob_sum=st.none() | _number,
    n_tokens=st.integers(0, 99),
    model=_text,
    input=st.none() | st.builds(Shown, messages=_some_messages, images=_some_images),
    negative=st.none()
    | st.builds(
        Negative, kind=_text, params=st.dictionaries(_text, _number, max_size=2), seed=st.integers(0, 9), parent=_text
    ),
    verdicts=st.lists(_verdicts, max_size=2).map(tuple),
    kept=st.none() | st.booleans(),
    reason=st.none() | _text,
)
_pairs = st.builds(
    Pair,
    chosen=st.integers(0, 9),
    rejected=st.integers(0, 9),
    kind=st.sampled_from(["text", "image"]),
    margin=_number,
    reason=_text,
)
groups = st.builds(
    Group,
    prompt=_prompts,
    completions=st.lists(_completions, max_size=3).map(tuple),
    pairs=st.lists(_pairs, max_size=2).map(tuple),
    uses=st.lists(st.sampled_from(["preference", "rl", "sft"]), max_size=2).map(tuple),
    reason=st.none() | _text,
)
