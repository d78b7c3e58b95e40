"""The maths verifier over math-verify in a loop: on math-verify's own test cases, and on answers as models give them.

Its cases ship with its sources and not with its wheel: they are downloaded once from the package index, unless MATH_VERIFY_SOURCES
names a folder that has them. The worker's CPU time counts as ours; both sides are warm, and neither is started anew between turns.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.bare_maths import verdicts
from bench.result import Result, ratio
from ratchet.recipe.verifiers.base import Where
from ratchet.recipe.verifiers.rules import MathsConfig
from ratchet.records import Completion, Group, ImageRef, Message, Prompt, Sampling
from ratchet.verify.contained import Worker, worker
from ratchet.verify.rules import RULE_BUILDERS

TICKS = os.sysconf("SC_CLK_TCK")
FORMULAS = ("\\frac{1}{2}", "x^2 - 1", "\\sqrt{8}", "\\pi", "(1, 2)", "\\{1, 2, 3\\}")
SAID = ("\\frac{1}{2}", "0.5", "(x-1)(x+1)", "2\\sqrt{2}", "\\pi", "3.14", "(1,2)", "\\{3, 1, 2\\}", "x + 1")


class Case(NamedTuple):
    gold: str
    given: str
    right: bool


class Turn(NamedTuple):
    said: list[bool | None]
    seconds: float


def measure(quick: bool) -> list[Result]:
    """Rates over the bare loop, and the accuracy beside its own."""
    with tempfile.TemporaryDirectory() as folder:
        known = cases(os.environ.get("MATH_VERIFY_SOURCES") or download(folder))
    turns = 1 if quick else 5
    usual = answers(400 if quick else 2_000)
    return [*_compared("maths cases", known[:60] if quick else known, turns), *_compared("maths answers", usual, turns)]


def _compared(name: str, known: Sequence[Case], turns: int) -> list[Result]:
    pairs = [(case.gold, case.given) for case in known]
    bare, ours = [], []
    for turn in range(turns + 1):  # the first warms up
        if turn % 2:
            bare.append(verdicts(pairs))
            ours.append(asked(known, "last"))
        else:
            ours.append(asked(known, "last"))
            bare.append(verdicts(pairs))
    theirs, mine = _right(bare[-1][0], known), _right(ours[-1].said, known)
    strict = _right(asked(known, "auto").said, known)
    detail = {"cases": len(known), "right_bare": theirs, "right_ours": mine, "right_where_two_answers_are_none": strict}
    rates = ([len(known) / one[1] for one in bare[1:]], [len(known) / one.seconds for one in ours[1:]])
    what = f"verdicts a CPU-second on {len(known)} pairs, over math-verify in a loop"
    found = [ratio(name, what, 1.0, *rates, "1/s", **detail)]
    if name == "maths cases":
        said = f"of {len(known)} of math-verify's own test cases right, less those of the bare loop"
        found.append(Result("maths accuracy", said, 0, True, mine - theirs, "cases", detail=detail))
    return found


def _right(said: Sequence[bool | None], known: Sequence[Case]) -> int:
    return sum(one is not None and one == case.right for one, case in zip(said, known, strict=True))


def asked(known: Sequence[Case], where: Where) -> Turn:
    """One turn of the verifier, through `verify` and one group a reference."""
    config = MathsConfig(answer=where)
    verifier = RULE_BUILDERS["maths"](config, None)
    process = worker("maths", config.seconds, config.memory_mib)
    groups = [_group(case) for case in known]
    process.ask({"gold": "1", "given": "1", "take": where})  # it starts, once
    before = _cpu(process)
    found = verifier.verify(groups)
    return Turn([verdict.passed for (verdict,) in found], _cpu(process) - before)


def _cpu(process: Worker) -> float:
    """CPU seconds of this process and of the worker's so far."""
    own = os.times()
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return own.user + own.system + (int(fields[11]) + int(fields[12])) / TICKS


def _group(case: Case) -> Group:
    prompt = Prompt.make(
        messages=[Message(role="user", content="?")],
        images=[ImageRef(sha256="5" * 64, media_type="image/png", width=1, height=1)],
        skill="maths",
        source="bench",
        reference=case.gold,
    )
    sampling = Sampling(seed=0, temperature=1.0, max_new_tokens=32)
    said = Completion(index=0, text=case.given, finish_reason="stop", sampling=sampling, n_tokens=1, model="bench")
    return Group(prompt=prompt, completions=(said,))


def answers(number: int) -> list[Case]:
    """As models answer: mostly plain or boxed numbers, one formula in ten. `right` is what the bare loop says of them."""
    chance, made = random.Random(0), []
    for _ in range(number):
        if chance.random() < 0.1:
            gold, given = f"${chance.choice(FORMULAS)}$", f"$\\boxed{{{chance.choice(SAID)}}}$"
        else:
            gold, given = (
                f"${chance.randint(0, 20)}$",
                chance.choice(("{}", "${}$", "\\boxed{{{}}}", "So it is $\\boxed{{{}}}$.")),
            )
            given = given.format(chance.randint(0, 20))
        made.append((gold, given))
    return [Case(*pair, said) for pair, said in zip(made, verdicts(made)[0], strict=True)]


def download(folder: str) -> str:
    """math-verify's sources of the installed version, from the package index."""
    wanted = f"math-verify=={importlib.metadata.version('math-verify')}"
    pip = [sys.executable, "-m", "pip"] if _has_pip() else ["pip"]
    command = [*pip, "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder, wanted]
    subprocess.run(command, check=True)
    (archive,) = Path(folder).glob("math_verify-*.tar.gz")
    with tarfile.open(archive) as sources:
        sources.extractall(folder, filter="data")
    return str(archive).removesuffix(".tar.gz")


def _has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


def cases(sources: str) -> list[Case]:
    """Every (gold, pred, expected) that its tests are parametrised with; read, not run."""
    found = []
    for file in sorted(Path(sources, "tests").glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "parametrize":
                found += [Case(*one) for one in _rows(node)]
    return found


def _rows(call: ast.Call) -> list[tuple[str, str, bool]]:
    named, listed = call.args[:2]
    if not isinstance(named, ast.Constant) or not isinstance(listed, ast.List):
        return []
    names = [one.strip() for one in str(named.value).split(",")]
    found = []
    for element in listed.elts:
        try:
            row: dict[str, Any] = dict(zip(names, ast.literal_eval(element), strict=False))
        except ValueError:
            continue  # built by code: not a case to read
        if {"gold", "pred"} <= row.keys():
            found.append((row["gold"], row["pred"], bool(row.get("expected", row.get("result")))))
    return found


def main() -> None:
    for result in measure(quick="--quick" in sys.argv):
        print(
            f"{result.name}: {result.measured:.3f} {result.unit} (goal {result.goal:g}); {statistics.mean(result.turns or [0]):.3f}"
        )
        print(result.detail)


if __name__ == "__main__":
    main()
