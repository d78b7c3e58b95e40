"""What a verdict of an environment costs: programs in the sandbox over bare interpreters, and the others by themselves."""

from __future__ import annotations

import io
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from bench.result import Result, ratio
from ratchet.artifacts import ImageBank, ref_of
from ratchet.records import Completion, Group, Message, Prompt, Record, Sampling
from ratchet.store import open_store
from ratchet.tinyworld import draw, sketch
from ratchet.tinyworld.scene import Scene, scatter, shapes
from ratchet.verify.environments import DrawState, TransformState, for_prompts, maze
from ratchet.verify.environments import ref_of as environment_of
from ratchet.verify.environments.transforms import ANSWERS, Pixels, applied
from ratchet.verify.sandbox import Sandbox

PROGRAM = "canvas.background((20, 20, 20))\ncanvas.rectangle({0}, 2, 12, 12, 'red')\ncanvas.circle(30, 30, {0}, 'blue')"
GOAL_RATIO, GOAL_MS = 1.0, 10.0


def measure(quick: bool) -> list[Result]:
    """Sandboxed programs over unprotected ones; then milliseconds of CPU a verdict that starts no process."""
    return [_programs(20 if quick else 200, 2 if quick else 5), *_verdicts(20 if quick else 200)]


def _programs(number: int, turns: int) -> Result:
    programs = [PROGRAM.format(n % 9 + 1) for n in range(number)]
    bare, ours = [], []
    with Sandbox() as sandbox:
        sandbox.run("python", programs[0], 48, 48)
        for turn in range(turns):
            works: list[tuple[list[float], Callable[[str], object]]] = [
                (bare, _unprotected),
                (ours, lambda program: sandbox.run("python", program, 48, 48)),
            ]
            for into, run in works[:: 1 if turn % 2 else -1]:
                into.append(_rate(run, programs))
    what = "programs a second (wall) in the sandbox over a bare `python -S -c` each, unprotected"
    each = {"sandbox_ms": 1000 / statistics.median(ours), "bare_ms": 1000 / statistics.median(bare)}
    return ratio("environments sandbox", what, GOAL_RATIO, bare, ours, "1/s", programs=number, **each)


def _unprotected(program: str) -> None:
    """An interpreter that runs the program against a stand-in for the canvas, as somebody would without a sandbox."""
    code = f"import sys\nclass C:\n  def __getattr__(self, name): return lambda *a: print(name, *a)\ncanvas = C()\n{program}"
    subprocess.run([sys.executable, "-S", "-c", code], check=True, stdout=subprocess.DEVNULL)


def _rate(run: Callable[[str], object], programs: Sequence[str]) -> float:
    start = time.perf_counter()
    for program in programs:
        run(program)
    return len(programs) / (time.perf_counter() - start)


def _verdicts(number: int) -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        bank = ImageBank(open_store(folder), [])
        verifiers = for_prompts(bank)
        found = []
        for name, make in (("navigate", _walk), ("draw", _drawing), ("transforms", _transform)):
            groups = [make(random.Random(n), bank) for n in range(number)]
            verifiers[name].verify(groups[:2])
            start = time.process_time()
            verifiers[name].verify(groups[2:])
            each = 1000 * (time.process_time() - start) / sum(len(g.completions) for g in groups[2:])
            what = "CPU-milliseconds a verdict" + (", drawing words" if name == "draw" else "")
            found.append(
                Result(f"environments {name}", what, GOAL_MS, False, each, "ms", detail={"prompts": number, "k": 8})
            )
    return found


def _walk(rng: random.Random, bank: ImageBank) -> Group:
    made = maze.draw(rng)
    answers = [" ".join(rng.choices([*maze.MOVES], k=len(made.way))) for _ in range(7)]
    return _group(made.state, [maze.picture(made.state)], [" ".join(made.way), *answers], bank)


def _drawing(rng: random.Random, bank: ImageBank) -> Group:
    """One right drawing and seven with a thing that is another's."""
    scene = scatter(rng, shapes(rng, rng.randint(1, 4)))
    answers = [sketch.program(Scene(scene.cells[n:] + scene.cells[:n], 0)) for n in range(8)]
    return _group(DrawState(), [draw.pixels(scene)], answers, bank)


def _transform(rng: random.Random, bank: ImageBank) -> Group:
    picture = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (224, 224, 3), np.uint8)
    answers = [*ANSWERS["tiles"][:8]]
    return _group(TransformState(kind="tiles"), [picture, applied("tiles", answers[3], picture)], answers, bank)


def _png(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG")
    return out.getvalue()


def _group(state: Record, pictures: Sequence[Pixels], answers: Sequence[str], bank: ImageBank) -> Group:
    bodies = [_png(one) for one in pictures]
    for body in bodies:
        bank.add(body)
    prompt = Prompt.make(
        messages=(Message(role="user", content="?"),),
        images=[ref_of(body) for body in bodies],
        skill="bench",
        source="bench",
        environment=environment_of(state),
    )
    sampling = Sampling(seed=0, temperature=1.0, max_new_tokens=32)
    completions = [
        Completion(index=i, text=text, finish_reason="stop", sampling=sampling, n_tokens=4, model="bench")
        for i, text in enumerate(answers)
    ]
    return Group(prompt=prompt, completions=tuple(completions))
