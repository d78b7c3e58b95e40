"""Hostile programs, really run: each is contained and reported, nothing is left running, and this process is unharmed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet.verify.sandbox import Limits, Outcome, Sandbox

LIMITS = Limits(cpu_seconds=1, wall_seconds=60, output_bytes=1 << 16)
PATIENT = Limits(cpu_seconds=60, wall_seconds=300)
"""To fill memory takes a quarter of a CPU second here, and more where pages cost more."""
GOOD = "canvas.rectangle(0, 0, 5, 5, 'red')"
DRAWN = b'[["rectangle", 0, 0, 5, 5, "red"]]'


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(LIMITS) as sandbox:
        yield sandbox


def run(box: Sandbox, program: str) -> Outcome:
    return box.run("python", program, 8, 8)


def family() -> set[int]:
    """Processes that descend from this one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found - {os.getpid()}


REFUSED = {
    "read a file": "open('/etc/passwd')",
    "write a file": "open('/tmp/written-by-a-program', 'w')",
    "list a folder": "import os\nos.listdir('/')",
    "look at a file": "import os\nos.stat('/etc/passwd')",
    "leave the folder": "import os\nos.chdir('/tmp')",
    "fork": "import os\nwhile True: os.fork()",
    "fork again and again, whatever comes": "import os\nwhile True:\n  try: os.fork()\n  except BaseException: pass",
    "spawn": "import os\nos.posix_spawn('/bin/true', ['true'], {})",
    "exec": "import os\nos.execv('/bin/true', ['true'])",
    "a shell": "import os\nos.system('true')",
    "a thread": "import _thread\n_thread.start_new_thread(print, ())",
    "a socket": "import _socket\n_socket.socket()",
    "kill its parent": "import os\nos.kill(os.getppid(), 9)",
    "kill everybody": "import os\nos.kill(-1, 9)",
    "raise its limits": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (-1, -1))",
    "a system call by ctypes": "import ctypes\nctypes.CDLL(None).syscall(57)",
    "open by ctypes": "import ctypes\nctypes.CDLL(None).open(b'/etc/passwd', 0)",
    "trace its parent": "import ctypes\nctypes.CDLL(None).ptrace(16, 1, 0, 0)",
    "a library from a file": "import ctypes\nctypes.CDLL('/usr/lib/x86_64-linux-gnu/libz.so.1')",
    "sleep": "import time\ntime.sleep(3600)",
    "wait for itself": "import _thread\nlock = _thread.allocate_lock()\nlock.acquire()\nlock.acquire()",
    "wait a while": "import _thread\nlock = _thread.allocate_lock()\nlock.acquire()\nlock.acquire(timeout=9)",
    "an alarm": "import signal\nsignal.alarm(1)",
    "the name of the machine": "import os\nos.uname()",
    "another import way": "__import__('os').open('/etc/passwd', 0)",
    "through the loader": "__loader__ = None\nimport sys\nsys.modules['os'].open('/etc/passwd', 0)",
    "files of the process": "import os\nos.open('/proc/self/mem', 2)",
    "another filter": "import ctypes\nctypes.CDLL(None).prctl(22, 2, None)",
}


@pytest.mark.parametrize("program", REFUSED.values(), ids=REFUSED)
def test_what_a_program_may_not_do_kills_it(box: Sandbox, program: str) -> None:
    outcome = run(box, program)
    assert (outcome.reason, outcome.output) in {("refused", b""), ("raised", b"")}
    if outcome.reason == "raised":  # Python itself did not find the way
        assert (outcome.detail or "").startswith(("ModuleNotFoundError", "NameError", "OSError", "ImportError"))
    assert not Path("/tmp/written-by-a-program").exists()


def test_nearly_all_of_these_are_stopped_by_the_kernel_and_not_by_python(box: Sandbox) -> None:
    by_python = [name for name, program in REFUSED.items() if run(box, program).reason != "refused"]
    assert by_python == []


ENDLESS = {
    "a loop": "while True: pass",
    "a loop that ignores signals": "import signal\nfor n in {*range(1, 65)} - {9, 19, 32, 33}:\n  signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
    "a loop that catches everything": "while True:\n  try:\n    while True: pass\n  except BaseException: pass",
    "one long step in C": "sum(range(10 ** 12))",
    "a large power": "10 ** 10 ** 8 % 7",
    "a slow pattern": "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
    "a trace that never ends": "import sys\nsys.settrace(lambda *_: sum(iter(lambda: 0, 1)))\nlen('')\n(lambda: 0)()",
}


def _slow(name: str, program: str) -> object:
    """Each takes its whole second, so all but the two hardest are left for the slow tests."""
    quick = name in ("a loop that ignores signals", "a trace that never ends")
    return program if quick else pytest.param(program, marks=pytest.mark.slow)


@pytest.mark.parametrize("program", [_slow(*one) for one in ENDLESS.items()], ids=ENDLESS)
def test_a_program_that_computes_for_ever_is_stopped_by_its_cpu_time(box: Sandbox, program: str) -> None:
    assert run(box, program).reason == "timeout"


HUNGRY = {
    "one large block": "bytearray(10 ** 10)",
    "many blocks": "kept = []\nwhile True: kept.append(bytearray(10 ** 7))",
    "a long list": "[0] * 10 ** 9",
    "a long text": "'x' * 10 ** 10",
}


@pytest.mark.parametrize("program", HUNGRY.values(), ids=HUNGRY)
def test_a_program_that_wants_too_much_memory_does_not_get_it(program: str) -> None:
    with Sandbox(PATIENT) as patient:
        assert run(patient, program).reason == "memory"


LOUD = {
    "by print": "while True: print('x' * 1000)",
    "on standard error": "import sys\nwhile True: sys.stderr.write('x' * 1000)",
    "past print": "import os\nwhile True: os.write(1, b'x' * 1000)",
    "by drawing": "while True:\n  canvas.line(0, 0, 1, 1, 'red')\n  if len(canvas.commands) > 9999: break",
}


@pytest.mark.parametrize("program", LOUD.values(), ids=LOUD)
def test_a_program_that_puts_out_too_much_is_stopped(box: Sandbox, program: str) -> None:
    assert run(box, program).reason == "too_large"


BROKEN = {
    "an exception": "1 / 0",
    "recursion": "def f(): f()\nf()",
    "no Python": "red circle top left",
    "parentheses": "(" * 100_000,
    "brackets": "x = " + "[" * 90 + "]" * 90 + "\n" + "-" * 100_000 + "1",
    "nothing to compile": "\x00",
    "no builtins left": "import builtins\nfor n in [*vars(builtins)]: delattr(builtins, n)\nprint",
    "exit": "raise SystemExit(0)",
    "a forged end": "import os\nos._exit(20)",
    "abort": "import os\nos.abort()",
    "no memory there": "import ctypes\nctypes.string_at(1)",
    "its output closed": "import os\nos.close(1)",
    "an odd number": "canvas.circle(float('nan'), 'x', 1, 'red')",
    "lone surrogates": "x = '\\ud800'\nraise ValueError(x)",
}


@pytest.mark.parametrize("program", BROKEN.values(), ids=BROKEN)
def test_a_program_that_breaks_has_drawn_nothing(box: Sandbox, program: str) -> None:
    outcome = run(box, program)
    assert outcome.reason in {"raised", "crash", "memory"}  # Python's parser says MemoryError where it gives up
    assert outcome.output == b""


def test_deep_recursion_past_the_limit_is_contained(box: Sandbox) -> None:
    outcome = run(box, "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()")
    assert outcome.reason in {"raised", "crash", "memory", "timeout"}


def test_a_megabyte_of_program_is_run_or_refused_like_any_other(box: Sandbox) -> None:
    assert run(box, "#" * (1 << 20) + "\n" + GOOD).output == DRAWN
    assert run(box, "x = 1\n" * (1 << 18)).reason in {"ok", "memory", "timeout"}


def test_a_forged_message_is_only_the_programs_own_drawing(box: Sandbox) -> None:
    forged = 'import os\nos.write(1, b\'{"status": 0, "cpu": 0, "score": 1.0}\')\nos._exit(0)'
    assert run(box, forged) == Outcome("ok", b'{"status": 0, "cpu": 0, "score": 1.0}')
    assert run(box, GOOD).output == DRAWN


def test_a_program_that_gets_no_time_is_killed_and_says_nothing_of_itself() -> None:
    # Long enough for what ends by itself, its start included, where the machine stands still for a while.
    with Sandbox(Limits(cpu_seconds=60, wall_seconds=3)) as sandbox:
        outcome = run(sandbox, "while True: pass")
        assert outcome.reason == "stalled"
        assert outcome.unscored
        assert run(sandbox, GOOD).output == DRAWN


def test_no_program_sees_another_or_what_this_process_knows(box: Sandbox) -> None:
    secret = "the-reference-is-" + "top-left"
    assert run(box, f"# {secret}\n" + GOOD).output == DRAWN
    # All that is reachable from modules and frames, and all memory that belongs to Python's objects.
    hunt = """
import gc, sys
wanted = "-".join(["the", "reference", "is", "top", "left"])
gc.unfreeze()
seen, frame = [one for one in gc.get_objects() if type(one) in (list, tuple, dict, set)], sys._getframe(1)
while frame is not None:
    seen += [*frame.f_locals.values(), *frame.f_globals.values()]
    frame = frame.f_back
texts = [str(part) for one in seen for part in ([*one, *one.values()] if type(one) is dict else
         one if type(one) in (list, tuple, set) else [one]) if type(part) in (str, bytes, bytearray) and part is not wanted]
raise ValueError("found" if any(wanted in one for one in texts) else f"{len(texts) > 5000} and no secret")
"""
    outcome = run(box, hunt)
    assert outcome.reason == "raised"
    assert outcome.detail == "ValueError: True and no secret"


def test_nothing_is_inherited_but_two_ends_of_pipes(box: Sandbox) -> None:
    program = "import os, sys\nraise ValueError(sorted(os.environ), sys.argv[2:] and sys.path)"
    assert run(box, program).detail == "ValueError: (['LC_CTYPE', 'PYTHONDONTWRITEBYTECODE', 'PYTHONHASHSEED'], [])"
    probe = "import os\nopen_ = []\nfor n in range(3, 99):\n  try: os.read(n, 1)\n  except OSError: continue\n  open_.append(n)\nraise ValueError(open_)"
    assert run(box, probe).detail == "ValueError: []"


def test_every_program_starts_from_the_same_state_and_draws_the_same(box: Sandbox) -> None:
    chance = "import random\nx = random.random()\nfor w in {'a', 'b', 'c', 'd'}: canvas.line(x, 0, ord(w), 0, 'red')"
    first = run(box, chance)
    run(box, "import builtins, random\nrandom.seed(9)\nbuiltins.print = None")
    with Sandbox(LIMITS) as other:
        assert first == run(box, chance) == run(other, chance)
    assert first.reason == "ok"


def test_after_all_of_them_only_the_warm_process_is_left_and_it_goes_with_the_sandbox() -> None:
    before = family()
    with Sandbox(LIMITS) as sandbox:
        for program in [*REFUSED.values(), *LOUD.values(), *BROKEN.values()]:
            run(sandbox, program)
        assert len(family() - before) == 1
        assert run(sandbox, GOOD).output == DRAWN
    assert family() - before == set()


def test_a_warm_process_that_is_gone_is_told_and_started_again(box: Sandbox) -> None:
    before = family()
    with Sandbox(LIMITS) as sandbox:
        run(sandbox, GOOD)
        (warm,) = family() - before
        os.kill(warm, 9)
        lost = run(sandbox, GOOD)
        assert (lost.reason, lost.unscored) == ("killed", True)
        assert run(sandbox, GOOD).output == DRAWN
