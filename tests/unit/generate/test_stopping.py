"""Stop strings with transformers: an answer ends after the first of them, and generation with it."""

from __future__ import annotations

import pytest

from ratchet.generate import Request, SamplingParams
from ratchet.generate.engines.local import TransformersEngine
from ratchet.generate.engines.stopping import SaidOneOf
from ratchet.records import Prompt
from ratchet.store import FolderStore
from ratchet.tinyworld.seed import SEED_DIR
from tests import tiny

GREEDY = SamplingParams(temperature=0.0, max_new_tokens=16)


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Prompt], TransformersEngine]:
    prompts, pictures = tiny.world("pool", 12, skills=("caption",))
    bank = tiny.bank(FolderStore(str(tmp_path_factory.mktemp("store"))), pictures)
    return prompts, TransformersEngine(SEED_DIR, bank, "seed", batch_size=64)


def test_an_answer_ends_after_the_first_stop_string_and_counts_only_what_it_says(lists):
    prompts, engine = lists
    requests = [Request.of(p) for p in prompts]
    whole = engine.answer(requests, GREEDY)
    first = engine.answer(requests, GREEDY.model_copy(update={"stop": (",",)}))
    cut = 0
    for (long,), (short,) in zip(whole, first, strict=True):
        assert short.finish_reason == long.finish_reason == "stop"
        if "," not in long.text:
            assert (short.text, short.n_tokens) == (long.text, long.n_tokens)
            continue
        cut += 1
        assert short.text == long.text[: long.text.index(",") + 1]
        assert short.n_tokens == len(short.text.split())
        assert long.logprob_sum < short.logprob_sum < 0
    assert 0 < cut < len(prompts)


def test_going_on_from_where_an_answer_stopped_gives_the_whole_greedy_answer(lists):
    prompts, engine = lists
    stops = GREEDY.model_copy(update={"stop": (",",)})
    for prompt in prompts[:4]:
        ((whole,),) = engine.answer([Request.of(prompt)], GREEDY)
        begun, tokens, logprob = "", 0, 0.0
        for _ in range(6):
            asked = Request(prompt.id, prompt.messages, prompt.images, begun=begun)
            ((more,),) = engine.answer([asked], stops)
            begun, tokens, logprob = begun + more.text, tokens + more.n_tokens, logprob + more.logprob_sum
            if not more.text.endswith(","):
                break
        assert (begun, tokens) == (whole.text, whole.n_tokens)
        assert logprob == pytest.approx(whole.logprob_sum, abs=1e-4)


def test_only_rows_whose_new_tokens_hold_a_stop_string_are_done(lists):
    import torch

    tokenizer = lists[1].processor.tokenizer
    rows = ["red circle , blue square", "red , circle green triangle", "red circle blue square red"]
    ids = torch.tensor([tokenizer(text)["input_ids"] for text in rows])
    stops = SaidOneOf(tokenizer, [","], 2)
    assert stops(ids, None).tolist() == [True, False, False]
    # An earlier step has seen what lies further back than a stop string can reach.
    far = torch.cat([ids, ids[2:].repeat(3, 6)], dim=1)
    assert stops(far, None).tolist() == [False, False, False]
