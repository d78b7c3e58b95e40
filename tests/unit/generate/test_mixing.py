"""Decoding between a model with and without the picture, against logits computed in one piece."""

from __future__ import annotations

import math

import pytest

from ratchet.generate import SamplingParams
from ratchet.generate.chat import chat_text, encode
from ratchet.generate.engine import Request
from ratchet.generate.engines.local import TransformersEngine
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from tests import tiny

GREEDY = SamplingParams(strategy="greedy", k=1, temperature=0.0, max_new_tokens=5)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> TransformersEngine:
    _, pictures = tiny.world("pool", 12)
    bank = tiny.bank(FolderStore(str(tmp_path_factory.mktemp("mix"))), pictures)
    return TransformersEngine(SEED_DIR, bank, "tiny", batch_size=8)


def _asked(**fields: float) -> list[Request]:
    prompts, _ = tiny.world("pool", 12)
    return [Request(p.id, p.messages, p.images, skill=p.skill, **fields) for p in prompts]


def test_the_text_only_end_of_the_mix_is_the_model_without_pictures(engine):
    blind = [Request(r.id, r.messages, ()) for r in _asked()]
    mixed = engine.answer(_asked(mix=1.0), GREEDY)
    assert [one.text for (one,) in mixed] == [one.text for (one,) in engine.answer(blind, GREEDY)]


@pytest.mark.parametrize(("weight", "forget"), [(0.5, 0.0), (-1.0, 0.0), (0.0, 0.7), (0.3, 0.4)])
def test_mixed_answers_follow_the_formula_at_every_token(engine, weight, forget):
    import torch

    for request, (answer,) in zip(_asked(), engine.answer(_asked(mix=weight, forget=forget), GREEDY), strict=True):
        seen, unseen = _ids(engine, request, True), _ids(engine, request, False)
        made: list[int] = []
        for token in range(GREEDY.max_new_tokens):
            share = 1 - (1 - weight) * math.exp(-forget * token)
            logp = [_next(engine, inputs, made) for inputs in (seen, unseen)]
            made.append(int(torch.argmax((1 - share) * logp[0] + share * logp[1])))
            if made[-1] in engine.ends:
                break
        assert engine.processor.tokenizer.decode(made, skip_special_tokens=True).strip() == answer.text


def _ids(engine, request, pictures: bool):
    images = engine.bank.images(request.images) if pictures else []
    return encode(engine.processor, [chat_text(engine.processor, request.messages, len(images))], [images])


def _next(engine, inputs, made):
    import torch

    ids = torch.cat([inputs["input_ids"], torch.tensor([made], dtype=torch.long)], dim=1)
    rest = {n: v for n, v in inputs.items() if n not in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        logits = engine.model(input_ids=ids, attention_mask=torch.ones_like(ids), **rest).logits
    return logits[0, -1].log_softmax(-1)


def test_requests_that_mix_do_not_change_those_beside_them(engine):
    plain = engine.answer(_asked(), GREEDY)
    both = engine.answer([*_asked(), *_asked(mix=0.9)], GREEDY)
    assert both[:12] == plain
