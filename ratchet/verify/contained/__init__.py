"""Work that may hang, crash or swell, done in a process of its own that can be killed."""

from ratchet.verify.contained.rule import Contained
from ratchet.verify.contained.worker import Stopped, Worker, worker

__all__ = ["Contained", "Stopped", "Worker", "worker"]
