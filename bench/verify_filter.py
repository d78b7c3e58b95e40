"""Speed and memory of verify and filter: N synthetic groups of k completions, Parquet in and out, on one core.

    OMP_NUM_THREADS=1 python -m bench.verify_filter --groups 20000
    OMP_NUM_THREADS=1 python -m bench.verify_filter --groups 1000000 --k 2 --shard-size 2000

Rates are per CPU-second of the process that runs the stage; those by wall clock stand beside. For the growth with the number
of groups, each size runs in a process of its own, and the groups are made in another: the peak is the stages' alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from bench.result import Result, peak_mib
from ratchet.artifacts import GROUPS, ArtifactWriter, Header, Manifest, ModelRef
from ratchet.promptset import Fingerprint, PromptSetWriter
from ratchet.recipe import parse
from ratchet.records import Completion, Group, ImageRef, Message, Prompt, Sampling
from ratchet.rounds import Round
from ratchet.stage import context_of, run_step
from ratchet.store import Store, open_store

SKILLS = {
    "count": ("numeric", "how many red circles ?", ["0", "1", "2", "3", "4", "5"]),
    "exist": ("yes_no", "is there a red circle ?", ["yes", "no"]),
    "locate": ("exact", "where is the red circle ?", ["top left", "top right", "middle center", "bottom left"]),
    "compare": ("choice", "more circles or squares ?", ["circles", "squares", "same"]),
    "caption": (
        "objects",
        "list the objects .",
        ["red circle , blue square", "blue square", "red circle , red circle"],
    ),
}


GOAL_RATE = 20_000
GOAL_MIB = 1024
GOAL_GROWTH = 1.2


@dataclass(frozen=True)
class Size:
    groups: int
    k: int = 8
    shard_size: int = 450
    duplicates: float = 0.01


@dataclass(frozen=True)
class Spent:
    wall: float
    cpu: float


def measure(quick: bool) -> list[Result]:
    """The rate of the whole verify stage; memory and growth of verify and filter together, at two completions a group."""
    rate = _rate(Size(2_000 if quick else 20_000), 3 if quick else 7)
    sizes = [Size(n, 2, 2000) for n in ((20_000, 60_000) if quick else (100_000, 300_000, 1_000_000))]
    spent, peaks = zip(*(_both_stages(size) for size in sizes), strict=True)
    each = [one.cpu / size.groups for one, size in zip(spent, sizes, strict=True)]
    counts = [size.groups for size in sizes]
    detail = {"groups": counts, "k": 2, "cpu_us_per_group": [1e6 * one for one in each]}
    detail |= {
        "wall_us_per_group": [1e6 * one.wall / n for one, n in zip(spent, counts, strict=True)],
        "peak_mib": peaks,
    }
    most = f"{counts[-1]:,} groups"
    return [
        rate,
        Result(
            "verify memory",
            f"MiB at most, verify and filter over {most}",
            GOAL_MIB,
            False,
            peaks[-1],
            "MiB",
            detail=detail,
        ),
        Result(
            "verify growth",
            f"seconds a group, {most} over {counts[0]:,} (CPU)",
            GOAL_GROWTH,
            False,
            each[-1] / each[0],
            "ratio of s/group",
            detail=detail,
        ),
    ]


def _rate(size: Size, turns: int) -> Result:
    one_core()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder)
        opened = open_round(store)
        made = make_groups(store, opened, size)
        spent = []
        for turn in range(turns + 1):
            # Another salt each time: a stage that is complete would return at once.
            again = opened.model_copy(update={"salt": str(turn)})
            spent.append(timed("verify", store, again, {"generate": made})[1])
    verdicts = size.groups * size.k
    rates = [verdicts / one.cpu for one in spent[1:]]  # the first warms up
    wall = [verdicts / one.wall for one in spent[1:]]
    detail = {"groups": size.groups, "k": size.k, "by_wall": wall, "by_wall_median": statistics.median(wall)}
    what = f"verdicts a CPU-second, {size.groups:,} groups of {size.k}, Parquet to Parquet"
    return Result(
        "verify rate", what, GOAL_RATE, True, statistics.median(rates), "1/s", rates, ours=rates, detail=detail
    )


def _both_stages(size: Size) -> tuple[Spent, float]:
    """Time and peak MiB of verify and filter."""
    with tempfile.TemporaryDirectory() as folder:
        made = _elsewhere(_make, folder, size)
        found: tuple[Spent, float] = _elsewhere(_run_both, folder, made)
        return found


def _elsewhere(work: Callable[..., Any], *given: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def _make(folder: str, size: Size) -> Manifest:
    store = open_store(folder)
    return make_groups(store, open_round(store), size)


def _run_both(folder: str, made: Manifest) -> tuple[Spent, float]:
    one_core()
    store = open_store(folder)
    opened = open_round(store)
    verified, first = timed("verify", store, opened, {"generate": made})
    _, second = timed("filter", store, opened, {"verify": verified})
    return Spent(first.wall + second.wall, first.cpu + second.cpu), peak_mib()


def one_core() -> None:
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def timed(name: str, store: Store, opened: Round, parents: dict[str, Manifest]) -> tuple[Manifest, Spent]:
    start, cpu = time.perf_counter(), time.process_time()
    manifest = run_step(context_of(name, store, opened, parents))
    return manifest, Spent(time.perf_counter() - start, time.process_time() - cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=20_000)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--shard-size", type=int, default=450)
    parser.add_argument("--duplicates", type=float, default=0.01)
    size = Size(**vars(parser.parse_args()))
    one_core()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder)
        opened = open_round(store)
        parent, stage = _elsewhere(_make, folder, size), "generate"
        for name in ("verify", "filter"):
            manifest, spent = timed(name, store, opened, {stage: parent})
            rate, mib = size.groups * size.k / spent.cpu, peak_mib()
            print(
                f"{name}: {spent.wall:.1f} s, {rate:,.0f} completions a CPU-second; {mib:.0f} MiB; {manifest.seconds}"
            )
            parent, stage = manifest, name
        print(parent.counts)


def open_round(store: Store) -> Round:
    prints = PromptSetWriter(store, name="bench", digest="b" * 64, source="bench", salt="s")
    held_out = Fingerprint(prompt_id="f" * 32, image_sha256="f" * 64, image_phash="f" * 16, question_sha256="f" * 64)
    prints.finish([held_out])
    recipe = parse({"name": "bench", "filter": {"max_pass_rate": 0.9, "balance": 1.5, "pairs": {}}})
    seed = ModelRef(name="seed", uri=store.uri("models/seed"), digest="0" * 64)
    return Round(
        loop="bench",
        number=0,
        salt="salt",
        job="job",
        seed=seed,
        recipe=recipe,
        prompts="b" * 64,
        report="b" * 64,
        family="b",
        code_revision="none",
    )


def make_groups(store: Store, opened: Round, size: Size) -> Manifest:
    writer = ArtifactWriter(store, f"{opened.prefix}/generate-bench", GROUPS, Header(stage="generate", key="bench"))
    chance = random.Random(0)
    for index, start in enumerate(range(0, size.groups, size.shard_size)):
        numbers = range(start, min(start + size.shard_size, size.groups))
        writer.write(
            index, [group(n if chance.random() > size.duplicates else n // 2, size.k, chance) for n in numbers]
        )
    return writer.commit()


def group(number: int, k: int, chance: random.Random) -> Group:
    name = list(SKILLS)[number % len(SKILLS)]
    verifier, question, answers = SKILLS[name]
    prompt = Prompt.make(
        messages=(Message(role="user", content=question),),
        images=(ImageRef(sha256=f"{number:064x}", media_type="image/png", width=48, height=48),),
        skill=name,
        source="bench",
        reference=answers[number % len(answers)],
        verifiers=(verifier,),
        difficulty=chance.random(),
    )
    completions = [
        Completion(
            index=j,
            text=chance.choice(answers),
            finish_reason="stop",
            sampling=Sampling(seed=number * k + j, temperature=1.0, max_new_tokens=32),
            logprob_sum=-chance.random(),
            n_tokens=chance.randint(1, 8),
            model="seed v1",
        )
        for j in range(k)
    ]
    return Group(prompt=prompt, completions=tuple(completions))


if __name__ == "__main__":
    main()
