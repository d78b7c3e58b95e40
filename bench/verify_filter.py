"""Speed and memory of verify and filter: N synthetic groups of k completions, Parquet in and out, on one core.

    OMP_NUM_THREADS=1 python bench/verify_filter.py --groups 20000
    OMP_NUM_THREADS=1 python bench/verify_filter.py --groups 1000000      (about 0.6 GB of disk)
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time

import pyarrow as pa

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
    "caption": ("objects", "list the objects .", ["red circle , blue square", "blue square", "red circle , red circle"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=20_000)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--shard-size", type=int, default=450)
    parser.add_argument("--duplicates", type=float, default=0.01)
    parser.add_argument("--store", default=None, help="a folder; default: a temporary one")
    given = parser.parse_args()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(given.store or folder)
        opened = open_round(store)
        start = time.perf_counter()
        made = make_groups(store, opened, given)
        print(f"made {made.rows} groups of {given.k} in {time.perf_counter() - start:.1f} s; {rss():.0f} MiB")
        verified = timed("verify", store, opened, {"generate": made}, made.rows * given.k)
        filtered = timed("filter", store, opened, {"verify": verified}, made.rows * given.k)
        print(filtered.counts)


def timed(name: str, store: Store, opened: Round, parents: dict[str, Manifest], verdicts: int) -> Manifest:
    start, cpu = time.perf_counter(), time.process_time()
    manifest = run_step(context_of(name, store, opened, parents))
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"{name}: {wall:.1f} s, {verdicts / wall:,.0f} verdicts/s of wall, {verdicts / cpu:,.0f} of CPU; {rss():.0f} MiB; {manifest.seconds}")
    return manifest


def open_round(store: Store) -> Round:
    prints = PromptSetWriter(store, name="bench", digest="b" * 64, source="bench", salt="s")
    held_out = Fingerprint(prompt_id="f" * 32, image_sha256="f" * 64, image_phash="f" * 16, question_sha256="f" * 64)
    prints.finish([held_out])
    recipe = parse({"name": "bench", "filter": {"max_pass_rate": 0.9, "balance": 1.5, "pairs": {}}})
    seed = ModelRef(name="seed", uri=store.uri("models/seed"), digest="0" * 64)
    return Round(
        loop="bench", number=0, salt="salt", job="job", seed=seed, recipe=recipe, prompts="b" * 64, report="b" * 64, family="b", code_revision="none"
    )


def make_groups(store: Store, opened: Round, given: argparse.Namespace) -> Manifest:
    writer = ArtifactWriter(store, f"{opened.prefix}/generate-bench", GROUPS, Header(stage="generate", key="bench"))
    chance = random.Random(0)
    for index, start in enumerate(range(0, given.groups, given.shard_size)):
        numbers = range(start, min(start + given.shard_size, given.groups))
        writer.write(index, [group(n if chance.random() > given.duplicates else n // 2, given.k, chance) for n in numbers])
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


def rss() -> float:
    """Most resident memory so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
