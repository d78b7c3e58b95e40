"""What is put onto a trainer from outside, the same way for every method.

A method brings a plain trainer of TRL's. `attach` puts parts, classes that override single methods of it, before its own
class; what happens at a step is a callback; what must outlive a kill is said by whoever `Keeps` it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Keeps(Protocol):
    """A callback, or a trainer, with something of its own that a training which goes on from a checkpoint needs."""

    def kept(self) -> dict[str, Any]:
        """As JSON can hold it, as it is after a step."""
        ...

    def regain(self, kept: dict[str, Any]) -> None:
        """Be as one was when `kept` was asked."""
        ...


def attach(trainer: Any, *parts: type) -> None:
    """Let the methods of `parts` go before the trainer's own; what they override they may call by `super()`.

    For what is called in `train()`: the constructor has run already.
    """
    own = type(trainer)
    trainer.__class__ = type(own.__name__, (*parts, own), {})


def keepers(trainer: Any) -> Iterator[tuple[str, Keeps]]:
    """All that keep something, by name: the trainer where it does, and its callbacks by their class."""
    if isinstance(trainer, Keeps):
        yield "trainer", trainer
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, Keeps):
            yield type(callback).__name__, callback
