"""Seconds and memory of scoring stored predictions: a prepared suite of yes/no questions, a Parquet file of answers.

    OMP_NUM_THREADS=1 python -m bench.scoring [--rows 1000000]

Items and answers are made in another process: time and peak are those of reading, pairing, marking and counting alone, the
interval of the primary figure included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from bench.result import Result, peak_mib

ROWS = 1_000_000
SHARD = 2000
GOAL_SECONDS, GOAL_MIB = 60, 1024
DIGEST = "d" * 64


def measure(quick: bool) -> list[Result]:
    """Scoring, from files to figures."""
    found = scored(20_000 if quick else ROWS)
    what = f"{found['rows']:,} stored predictions, Parquet to figures with interval"
    return [
        Result("scoring time", what, GOAL_SECONDS, False, found["seconds"], "s", detail=found),
        Result("scoring memory", f"peak memory, {what}", GOAL_MIB, False, found["peak_mib"], "MiB", detail=found),
    ]


def scored(rows: int) -> dict[str, Any]:
    """What scoring so many predictions takes, in a fresh process."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place:
        for task in (made, timed):
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                found = pool.submit(task, place, rows).result()
    return dict(found or {})


def timed(place: str, rows: int) -> dict[str, Any]:
    """Score what was made in `place`."""
    from ratchet.evaluate.suites import suite
    from ratchet.evaluate.suites.figures import figures
    from ratchet.evaluate.suites.predictions import measured, read, told_of_prepared
    from ratchet.evaluate.suites.preparing import opened
    from ratchet.store import FolderStore

    before = peak_mib()
    start, spent = time.perf_counter(), time.process_time()
    prepared = opened(FolderStore(place), suite("pope"), DIGEST)
    said = read(Path(place) / "answers.parquet")
    found = measured(prepared.suite, prepared.digest, told_of_prepared(prepared), said)
    accuracy = figures(found)["accuracy"]
    return {
        "rows": rows,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - spent,
        "peak_mib": peak_mib(),
        "before_mib": before,
        "accuracy": accuracy,
    }


def made(place: str, rows: int) -> None:
    """Items with four questions a picture, three parts, every other answer yes; and answers of which three in four are right."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ratchet.artifacts import ArtifactWriter, Header
    from ratchet.evaluate.suites.base import ITEMS, Item
    from ratchet.evaluate.suites.preparing import prefix_of
    from ratchet.records import ImageRef, Message, Prompt
    from ratchet.store import FolderStore

    def item(number: int) -> Item:
        image = ImageRef(sha256=f"{number // 4:064x}", media_type="image/png", width=8, height=8)
        text = f"Is there a dog number {number} in the image?\nAnswer the question using a single word or phrase."
        prompt = Prompt.make(
            messages=[Message(role="user", content=text)], images=[image], reference=("yes", "no")[number % 2],
            skill=("random", "popular", "adversarial")[number // 4 % 3], source="suite:pope",
        )  # fmt: skip
        return Item(key=f"item-{number:07d}", prompt=prompt)

    writer = ArtifactWriter(FolderStore(place), prefix_of("pope", DIGEST), ITEMS, Header(stage="suite", key=DIGEST))
    shard = ITEMS.table(item(number) for number in range(SHARD))
    for index, start in enumerate(range(0, rows, SHARD)):
        writer.write_table(index, _renamed(shard, start), rows_hash="0" * 64)
    writer.commit()
    keys = [f"item-{number:07d}" for number in range(rows)]
    answers = [("Yes.", "No, there is not.")[(number + number // 4) % 2] for number in range(rows)]
    pq.write_table(pa.table({"key": keys, "prediction": answers}), f"{place}/answers.parquet")


def _renamed(shard: Any, start: int) -> Any:
    """The same questions as other items about other pictures."""
    import pyarrow as pa

    numbers = range(start, start + shard.num_rows)
    prompts = shard.column("prompt").combine_chunks()
    names = [field.name for field in prompts.type]
    columns = {name: prompts.field(name) for name in names}
    columns["id"] = pa.array([f"{number:032x}" for number in numbers])
    columns["split_key"] = pa.array([f"{number // 4:064x}" for number in numbers])
    table = shard.set_column(shard.schema.get_field_index("key"), "key", [[f"item-{n:07d}" for n in numbers]])
    made = pa.StructArray.from_arrays(list(columns.values()), fields=list(prompts.type))
    return table.set_column(shard.schema.get_field_index("prompt"), "prompt", made)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=ROWS)
    print(scored(arguments.parse_args().rows))
