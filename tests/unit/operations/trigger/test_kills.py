"""A trigger that is killed at any moment, in a process of its own: nothing is lost, and nothing is doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ratchet.operations.trigger.moves import alias_moves
from ratchet.registry.promotion import history
from tests.triggered import LOOP, Ground

TURNS = 8
ROOT = Path(__file__).resolve().parents[4]
DYING = """
import os, signal, sys
from pathlib import Path
from tests.triggered import Ground

calls = 0

def dying(store):
    '''Before or after its n-th write the process is killed.'''
    put, put_if = store.put, store.put_if
    def counted(write):
        def wrapped(*given, **named):
            global calls
            calls += 1
            if calls == int(sys.argv[2]) and sys.argv[3] == 'before':
                os.kill(os.getpid(), signal.SIGKILL)
            made = write(*given, **named)
            if calls == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
            return made
        return wrapped
    store.put, store.put_if = counted(put), counted(put_if)

ground = Ground(Path(sys.argv[1]))
dying(ground.store)
start = ground.starter.start
def started(request):
    made = start(request)
    if sys.argv[2] == '0':
        os.kill(os.getpid(), signal.SIGKILL)
    return made
ground.starter.start = started
ground.look()
"""


def killed(folder: Path, write: int, moment: str) -> bool:
    """Whether the process came so far that it was killed."""
    command = [sys.executable, "-c", DYING, str(folder), str(write), moment]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_write_loses_no_move_and_doubles_no_round(tmp_path: Path, moment: str) -> None:
    """Each turn moves the alias once more and kills the trigger one write later than the turn before."""
    ground = Ground(tmp_path)
    ground.look()
    moves, write = 1, 0
    while True:
        ground.end_round(moves, "PROMOTED")
        ground.person(str(moves % 3 + 1))
        moves += 1
        alive = not killed(tmp_path, write, moment)
        # What is there after the restart, whatever the killed one had done.
        restarted = Ground(tmp_path)
        for _ in range(3):
            restarted.look()
        assert len(restarted.starter.requests()) == moves
        assert [(ask.cause, ask.move) for ask in restarted.asks()] == [("move", n + 1) for n in range(moves)]
        if alive and write:
            break
        write += 1
    assert write > 4, "the move and its observation, the ask, its start"


@pytest.mark.slow
def test_triggers_that_are_killed_all_the_time_start_each_move_once(tmp_path: Path) -> None:
    """Two at once, killed at random moments, while the alias moves."""
    ground = Ground(tmp_path)
    code = (
        "import sys; from pathlib import Path; from tests.triggered import Ground\n"
        "ground = Ground(Path(sys.argv[1]))\n"
        "while True:\n"
        "    ground.driver = ground.new_driver()\n"
        "    ground.look()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=environment) for _ in range(3)
    ]
    try:
        for turn in range(1, TURNS + 1):
            deadline = time.monotonic() + 240
            while len(ground.starter.requests()) < turn:
                assert time.monotonic() < deadline, "no trigger found the move"
                time.sleep(0.02)
            dead = children.pop(0)
            dead.kill()
            dead.wait()
            children.append(subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=environment))
            ground.end_round(turn, "PROMOTED")
            ground.person(str(turn % 3 + 1))
    finally:
        for child in children:
            child.kill()
            child.wait()
    # One look marks as started what the last kill left unmarked, the next asks for what came after it.
    for _ in range(3):
        ground.new_driver().look(LOOP)
    # Two that find a person's move at once may both write it down: the second entry moved nothing, and is no move.
    moves = [move.number for move in alias_moves(history(ground.store, LOOP))]
    assert len(moves) == TURNS + 1
    assert [(ask.cause, ask.move) for ask in ground.asks()] == [("move", number) for number in moves]
    assert len(ground.starter.requests()) == TURNS + 1
