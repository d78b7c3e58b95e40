from __future__ import annotations

import re
from pathlib import Path

import pytest

from ratchet.artifacts import ImageBank
from ratchet.errors import SamplingError
from ratchet.generate import SamplingParams
from ratchet.generate.engines.local import TransformersEngine
from ratchet.records import Group, Message, Prompt
from ratchet.store import FolderStore
from tests import tiny

SAMPLED = SamplingParams(k=3, max_new_tokens=6, seed=7)
GREEDY = SamplingParams(strategy="greedy", k=1, temperature=0.0, max_new_tokens=6)


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Prompt], ImageBank]:
    prompts, pictures = tiny.world("pool", 36)
    return prompts, tiny.bank(FolderStore(str(tmp_path_factory.mktemp("store"))), pictures)


@pytest.fixture(scope="session")
def sampler(model_folder: Path, asked: tuple[list[Prompt], ImageBank]) -> TransformersEngine:
    return TransformersEngine(model_folder, asked[1], "tiny", batch_size=24)


def _texts(groups: list[Group]) -> list[list[str]]:
    return [[c.text for c in g.completions] for g in groups]


def test_every_prompt_gets_k_completions_in_the_order_given(sampler, asked):
    prompts, _ = asked
    groups = list(sampler.sample(prompts, SAMPLED))
    assert [g.prompt for g in groups] == prompts
    assert all([c.index for c in g.completions] == [0, 1, 2] for g in groups)
    assert {c.model for g in groups for c in g.completions} == {"tiny"}
    assert len({len(p.images) for p in prompts}) == 2, "one- and two-picture prompts are both asked"


def test_the_same_seed_gives_the_same_completions_bit_by_bit(sampler, asked):
    prompts, _ = asked
    assert list(sampler.sample(prompts, SAMPLED)) == list(sampler.sample(prompts, SAMPLED))


def test_the_order_of_prompts_does_not_change_their_completions(sampler, asked):
    prompts, _ = asked
    assert list(sampler.sample(prompts[::-1], SAMPLED))[::-1] == list(sampler.sample(prompts, SAMPLED))


def test_another_seed_gives_other_completions(sampler, asked):
    prompts, _ = asked
    other = SAMPLED.model_copy(update={"seed": 8})
    assert _texts(list(sampler.sample(prompts, SAMPLED))) != _texts(list(sampler.sample(prompts, other)))


def test_sampling_leaves_the_process_random_numbers_alone(sampler, asked):
    import torch

    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    list(sampler.sample(asked[0][:2], SAMPLED))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_greedy_answers_do_not_depend_on_the_batch_size(sampler, asked, model_folder, batch_size):
    prompts, bank = asked
    other = TransformersEngine(model_folder, bank, "tiny", batch_size)
    assert _texts(list(other.sample(prompts, GREEDY))) == _texts(list(sampler.sample(prompts, GREEDY)))


def test_more_completions_than_fit_a_batch_are_made_in_several_calls(sampler, asked, model_folder):
    prompts, bank = asked
    small = TransformersEngine(model_folder, bank, "tiny", batch_size=2)
    groups = list(small.sample(prompts[:2], SamplingParams(k=5, max_new_tokens=6)))
    assert [len(g.completions) for g in groups] == [5, 5]
    assert len({c.text for c in groups[0].completions}) > 1


def test_the_likelihood_is_the_models_own_at_temperature_one(sampler, asked, model_folder):
    """Against one forward pass over prompt and answer, for hot and cut sampling."""
    import torch

    from ratchet.generate.chat import chat_text, encode

    prompts, bank = asked
    hot = SamplingParams(k=2, temperature=1.7, top_p=0.9, top_k=20, max_new_tokens=5, seed=3)
    for prompt in (prompts[0], prompts[8]):
        (group,) = sampler.sample([prompt], hot)
        for completion in group.completions:
            text = chat_text(sampler.processor, prompt.messages, len(prompt.images))
            inputs = encode(sampler.processor, [text], [bank.images(prompt.images)])
            ids = sampler.processor.tokenizer(completion.text, add_special_tokens=False).input_ids
            ids = (ids + sampler.ends)[: completion.n_tokens]
            if len(ids) < completion.n_tokens:
                continue  # a special token was sampled, which the text does not show
            full = torch.cat([inputs["input_ids"], torch.tensor([ids])], dim=1)
            with torch.inference_mode():
                out = sampler.model(
                    input_ids=full, attention_mask=torch.ones_like(full), pixel_values=inputs["pixel_values"]
                )
            logp = out.logits[0].log_softmax(-1)
            first = inputs["input_ids"].shape[1]
            expected = sum(float(logp[first + i - 1, token]) for i, token in enumerate(ids))
            assert completion.logprob_sum == pytest.approx(expected, abs=1e-3)


def test_an_answer_cut_by_max_new_tokens_says_length(sampler, asked):
    groups = list(sampler.sample(asked[0], SAMPLED))
    for completion in (c for g in groups for c in g.completions):
        assert completion.n_tokens <= 6
        assert completion.finish_reason == "stop" or completion.n_tokens == 6
        assert "<" not in completion.text, "special tokens are stripped"
    assert any(c.finish_reason == "length" for g in groups for c in g.completions)


def test_an_answer_ends_at_the_first_end_token(sampler):
    import torch

    end, word = sampler.ends[0], sampler.processor.tokenizer.convert_tokens_to_ids("red")
    tokens = torch.tensor([[word, end, word], [word, word, word]])
    ended, cut = sampler._answers(tokens, torch.full((2, 3), -1.0))
    assert (ended.text, ended.n_tokens, ended.logprob_sum, ended.finish_reason) == ("red", 2, -2.0, "stop")
    assert (cut.text, cut.n_tokens, cut.logprob_sum, cut.finish_reason) == ("red red red", 3, -3.0, "length")


def test_the_batch_hook_counts_all_completions(model_folder, asked):
    prompts, bank = asked
    made: list[int] = []
    sampler = TransformersEngine(model_folder, bank, "tiny", batch_size=10, on_batch=made.append)
    list(sampler.sample(prompts[:9], SAMPLED))
    assert sum(made) == 27
    assert len(made) == 3


def test_a_prompt_that_does_not_fit_the_model_is_an_error_with_its_count_and_is_not_cut(sampler, asked):
    groups = list(sampler.sample(asked[0][:2], SamplingParams(max_new_tokens=240)))
    for completion in (c for g in groups for c in g.completions):
        assert (completion.finish_reason, completion.text) == ("error", "")
        assert re.match(
            r"too_long: \d+ tokens .* max_new_tokens 240 exceed the model's 256 positions", completion.error
        )


def test_greedy_decoding_refuses_more_than_one_completion(sampler, asked):
    with pytest.raises(SamplingError, match="would be the same"):
        list(sampler.sample(asked[0][:1], SamplingParams(k=2, temperature=0.0)))


def test_a_system_turn_is_kept_and_pictures_go_to_the_first_user_turn(sampler):
    from ratchet.generate.chat import chat_text

    turns = [
        Message(role="system", content="answer"),
        Message(role="user", content="how many ?"),
        Message(role="assistant", content="2"),
        Message(role="user", content="where ?"),
    ]
    text = chat_text(sampler.processor, turns, 2)
    assert text.startswith("<|system|>answer")
    assert text.index("<image><image>how many ?") < text.index("where ?")
    assert text.endswith("<|assistant|>")


def test_a_checkpoints_own_generation_settings_do_not_leak_in(sampler, asked, model_folder, tmp_path):
    import json
    import shutil

    prompts, bank = asked
    shutil.copytree(model_folder, tmp_path / "model")
    settings = tmp_path / "model" / "generation_config.json"
    changed = json.loads(settings.read_text()) | {"repetition_penalty": 5.0, "top_k": 1, "do_sample": True}
    settings.write_text(json.dumps(changed))
    other = TransformersEngine(tmp_path / "model", bank, "tiny", batch_size=24)
    assert list(other.sample(prompts[:6], SAMPLED)) == list(sampler.sample(prompts[:6], SAMPLED))


def test_reading_each_prompt_once_changes_no_completion(sampler, asked, monkeypatch):
    prompts, _ = asked
    shared = list(sampler.sample(prompts, SAMPLED))
    monkeypatch.setattr("ratchet.generate.engines.prefill.SHARING", frozenset())
    plain = list(sampler.sample(prompts, SAMPLED))
    assert _texts(shared) == _texts(plain)
    for ours, theirs in zip(shared, plain, strict=True):
        assert [c.logprob_sum for c in ours.completions] == pytest.approx(
            [c.logprob_sum for c in theirs.completions], abs=1e-3
        )
