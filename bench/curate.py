"""Time and memory of curation: the pass of the filter that decides, over many rows, with exact duplicates, pictures near by
perceptual hash, questions near by MinHash (all against all), and the fence of 100,000 held-out prompts with their words in a row.

    OMP_NUM_THREADS=1 python -m bench.curate --rows 100000

Rows have two completions. One in a hundred is the row before again, one in a hundred looks like it. Three in ten ask one of
fifty questions, as a program would; the others ask their own, of which one in twenty is an earlier one with a word changed.
Rows are made as they are needed and their making is not timed; reading and writing Parquet is benchmark verify's. Perceptual
hashes are given, so that a million pictures need not be drawn: what hashing costs stands beside, by picture.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import random
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice

from bench.result import Result, peak_mib
from ratchet.artifacts.columns import paused_gc
from ratchet.filter import phash
from ratchet.filter.fingerprints import Fence
from ratchet.filter.survey import Survey
from ratchet.promptset import Fingerprint
from ratchet.recipe import parse
from ratchet.records import Completion, Group, ImageRef, Message, Prompt, Sampling, Verdict

HELD_OUT = 100_000
BATCH = 2000
GOAL_MIB = 1024
GOAL_GROWTH = 1.2
CONFIG = {
    "dedup_near_bits": 4,
    "dedup_text": {"similarity": 0.8, "scope": "any"},
    "decontaminate_near_bits": 4,
    "decontaminate_ngram": 8,
    "balance": 3.0,
}


class GivenHashes(phash.Hashes):
    """Perceptual hashes as if the pictures had been looked at: one row in a hundred looks like the row before."""

    def __init__(self) -> None: ...

    def of(self, sha256: str) -> int:
        return int(sha256[48:], 16)


@dataclass(frozen=True)
class Spent:
    """CPU-seconds of building the fence, of looking at every row, and of what can only be said at the end."""

    fence: float
    rows: float
    end: float
    peak_mib: float
    reasons: dict[str, int]

    @property
    def cpu(self) -> float:
        return self.fence + self.rows + self.end


def measure(quick: bool) -> list[Result]:
    """Memory and growth of the deciding pass, and what hashing a picture costs."""
    sizes = (10_000, 30_000) if quick else (100_000, 1_000_000)
    spent = [elsewhere(rows) for rows in sizes]
    # The fence costs the same whatever the number of rows.
    each = [(one.rows + one.end) / rows for one, rows in zip(spent, sizes, strict=True)]
    detail = {"rows": sizes, "spent": [asdict(one) for one in spent], "phash_us": 1e6 * _phash_seconds()}
    what = f"{sizes[-1]:,} rows: exact, perceptual and MinHash duplicates, {HELD_OUT:,} held-out prompts"
    growth = f"seconds a row, {sizes[-1]:,} rows over {sizes[0]:,} (CPU)"
    return [
        Result("curate memory", f"MiB at most, {what}", GOAL_MIB, False, spent[-1].peak_mib, "MiB", detail=detail),
        Result("curate growth", growth, GOAL_GROWTH, False, each[-1] / each[0], "ratio of s/row", detail=detail),
    ]


def elsewhere(rows: int) -> Spent:
    """The pass over so many rows in a process of its own, so that the peak is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(decide, rows).result()


def decide(rows: int) -> Spent:
    recipe = parse({"name": "bench", "filter": CONFIG})
    config = recipe.filter
    start = time.process_time()
    fence = Fence(_held_out(), config.decontaminate_near_bits, config.decontaminate_ngram)
    built = time.process_time() - start
    survey = Survey(config, recipe.verify, "salt", fence, GivenHashes())
    groups, looked = _groups(rows), 0.0
    for batch in iter(lambda: list(islice(groups, BATCH)), []):
        start = time.process_time()
        with paused_gc():
            for group in batch:
                survey.add(group)
        looked += time.process_time() - start
    start = time.process_time()
    found = survey.finish()
    return Spent(built, looked, time.process_time() - start, peak_mib(), {"kept": found.kept, **found.reasons()})


def _held_out() -> Iterator[Fingerprint]:
    for number in range(HELD_OUT):
        name = _sha("held", number)
        yield Fingerprint(
            prompt_id=name[:32], image_sha256=name, image_phash=name[48:], question_sha256=_sha("asked", number),
            ngrams=tuple(int(name[at : at + 15], 16) for at in range(8)),
        )  # fmt: skip


def _groups(rows: int) -> Iterator[Group]:
    chance = random.Random(0)
    words = [_sha("word", n)[: chance.randint(2, 9)] for n in range(5_000)]
    fixed = [" ".join(chance.choices(words, k=5)) for _ in range(50)]
    own: list[str] = []
    picture, question = _sha("picture", 0), fixed[0]
    for number in range(rows):
        turn = chance.random()
        if turn < 0.01:
            pass  # the row before, again
        elif turn < 0.02:
            picture = _sha("alike", number)[:48] + picture[48:]
        else:
            picture = _sha("held", chance.randrange(HELD_OUT)) if turn < 0.025 else _sha("picture", number)
            question = chance.choice(fixed) if chance.random() < 0.3 else _own(chance, words, own)
        yield _group(number, picture, question, chance)


def _own(chance: random.Random, words: list[str], known: list[str]) -> str:
    if known and chance.random() < 0.05:
        parts = chance.choice(known).split()
        parts[chance.randrange(len(parts))] = chance.choice(words)
        return " ".join(parts)
    question = " ".join(chance.choices(words, k=chance.randint(6, 14)))
    if len(known) < 20_000:
        known.append(question)
    return question


def _group(number: int, picture: str, question: str, chance: random.Random) -> Group:
    prompt = Prompt.make(
        messages=(Message(role="user", content=question),),
        images=(ImageRef(sha256=picture, media_type="image/png", width=48, height=48),),
        skill=f"skill-{number % 7}",
        source="bench",
        reference="yes",
        difficulty=chance.random(),
    )
    return Group(prompt=prompt, completions=_completions())


@cache
def _completions() -> tuple[Completion, ...]:
    """One right and one wrong answer: what they are decides nothing here."""
    sampling = Sampling(seed=1, temperature=1.0, max_new_tokens=8)
    return tuple(
        Completion(
            index=index, text=text, finish_reason="stop", sampling=sampling, n_tokens=2, model="seed v1",
            verdicts=(Verdict(verifier="exact", version="1", score=score, passed=score == 1, reason=("wrong", "match")[int(score)]),),
        )
        for index, (text, score) in enumerate((("yes", 1.0), ("no", 0.0)))
    )  # fmt: skip


def _phash_seconds(pictures: int = 500) -> float:
    """CPU-seconds to hash one decoded picture of 48 x 48."""
    import numpy as np
    from PIL import Image

    made = [
        Image.fromarray(np.random.default_rng(n).integers(0, 256, (48, 48, 3), dtype=np.uint8)) for n in range(pictures)
    ]
    start = time.process_time()
    for picture in made:
        phash.bits_of(picture)
    return (time.process_time() - start) / pictures


def _sha(kind: str, number: int) -> str:
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    rows: int = parser.parse_args().rows
    print(f"{rows:,} rows: {elsewhere(rows)}")


if __name__ == "__main__":
    main()
