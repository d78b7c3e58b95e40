"""Training in several processes of this machine, under torch's elastic agent: DDP or FSDP; NCCL on GPUs, Gloo on CPUs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from ratchet.errors import RatchetError, TrainError
from ratchet.profile import threads
from ratchet.registry.lease import beat
from ratchet.stage import StageContext, lease_seconds
from ratchet.train.launchers import Outcome, trained_apart
from ratchet.train.launchers.elastic import STOP_SECONDS, Ended, read_ended
from ratchet.train.launchers.logs import redacted, tail
from ratchet.train.orders import Failure, Order, order_of, read_failures
from ratchet.train.together import PARENT
from ratchet.train.worker import SCRATCH

LOOK_SECONDS = 0.2
SIGNAL_WORDS = {
    signal.SIGKILL: "killed from outside, most often because the machine's memory was full; see its kernel's log, use smaller "
    "batches with train.trl.gradient_accumulation_steps, or give the stage more memory",
    signal.SIGSEGV: "a library crashed",
    signal.SIGABRT: "a library gave up; its words are in the log",
}


def launch(context: StageContext) -> Outcome:
    """Train in the profile's number of processes. What an earlier attempt has finished is not done again.

    Raises what the first failing worker raised, TrainError for one that was killed, and LeaseLost, after ending all workers,
    when the loop belongs to another run.
    """
    return trained_apart(context, _run, "all workers ended well, but left no training.json; run the stage again.")


def _run(context: StageContext) -> None:
    order = order_of(context)
    with TemporaryDirectory(prefix="ratchet-torchrun-") as scratch:
        folder = Path(scratch)
        (folder / "order.json").write_text(order.model_dump_json(), encoding="utf-8")
        agent = subprocess.Popen(_command(context, folder), env=_environment(context, folder), start_new_session=True)
        try:
            _wait(context, agent)
        finally:
            _end(agent)
        if agent.returncode:
            raise _failure(context, order, folder, agent.returncode)


def _command(context: StageContext, folder: Path) -> list[str]:
    where = context.launcher
    command = [sys.executable, "-m", "ratchet.train.launchers.elastic"]
    command += ["--order", str(folder / "order.json"), "--folder", str(folder)]
    return [*command, "--processes", str(where.processes), "--restarts", str(where.restarts)]


def _environment(context: StageContext, folder: Path) -> dict[str, str]:
    places = context.settings.environment() if context.settings else {}
    own = {SCRATCH: str(folder / "node"), PARENT: str(os.getpid()), "OMP_NUM_THREADS": str(threads())}
    return {**os.environ, **places, **own}


def _wait(context: StageContext, agent: subprocess.Popen[bytes]) -> None:
    """Until the agent ends. Asks for the lease now and then: work that nobody will take is not gone on with."""
    every = beat(lease_seconds())
    asked = time.monotonic()
    while agent.poll() is None:
        time.sleep(LOOK_SECONDS)
        if time.monotonic() - asked > every:
            context.check_lease()
            asked = time.monotonic()


def _end(agent: subprocess.Popen[bytes]) -> None:
    """End the agent, which ends its workers; what it leaves when it is killed ends with it."""
    for number, patience in ((signal.SIGTERM, STOP_SECONDS + 5.0), (signal.SIGKILL, 5.0)):
        if agent.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(agent.pid, number)
        with suppress(subprocess.TimeoutExpired):
            agent.wait(patience)


def _failure(context: StageContext, order: Order, folder: Path, code: int) -> RatchetError:
    """The cause in the words of the rank that failed first: the others only miss it."""
    ended = read_ended(folder)
    said = {one.rank: one for one in reversed(read_failures(context, order.attempt))}
    killed = next((one for one in ended if one.code == -signal.SIGKILL), None)
    if killed is not None:
        return _killed(context, folder, killed)
    first = min((said[one.rank] for one in ended if one.rank in said), key=lambda one: one.time, default=None)
    if first is not None:
        return _told(folder, first)
    if ended:
        return _killed(context, folder, ended[0])
    return TrainError(
        f"the agent that starts the workers ended with exit code {code}; its words are in the stage's log. Mend what they name, and run the stage again."
    )


def _killed(context: StageContext, folder: Path, ended: Ended) -> TrainError:
    if ended.code < 0:
        number = signal.Signals(-ended.code)
        how = f"was ended by {number.name}: {SIGNAL_WORDS.get(number, 'it was sent from outside')}"
    else:
        how = f"ended with exit code {ended.code} and said nothing"
    world = context.launcher.world
    return TrainError(
        f"rank {ended.rank} of {world} {how}. All {world} processes were ended, and nothing was registered; run the stage again."
        f"{_log(folder, ended.rank)}"
    )


def _told(folder: Path, said: Failure) -> RatchetError:
    error = said.model_copy(update={"message": redacted(said.message)}).as_error()
    error.add_note(f"raised in rank {said.rank}.{_log(folder, said.rank)}")
    return error


def _log(folder: Path, rank: int) -> str:
    """The end of what a rank wrote in its last attempt; agent and workers are of one machine, so ranks are local ranks."""
    logs = sorted((folder / "logs").glob(f"*/attempt_*/{rank}/stderr.log"))
    words = tail(logs[-1]) if logs else ""
    return f"\nThe end of its log:\n{words}" if words else ""
