"""Parts go before a trainer's own methods, and whoever keeps something is found."""

from __future__ import annotations

from typing import Any

from ratchet.train.hooks import attach, keepers


class Handler:
    def __init__(self, *callbacks: object) -> None:
        self.callbacks = callbacks


class Own:
    def __init__(self, *callbacks: object) -> None:
        self.callback_handler = Handler(*callbacks)

    def order(self) -> str:
        return "own"


class Louder:
    def order(self) -> str:
        return super().order().upper() + "!"  # type: ignore[misc]


class Counts:
    count = 0

    def kept(self) -> dict[str, Any]:
        return {"count": self.count}

    def regain(self, kept: dict[str, Any]) -> None:
        self.count = kept["count"]


def test_a_part_overrides_and_calls_the_trainers_own() -> None:
    one, other = Own(), Own()
    attach(one, Louder)
    assert (one.order(), other.order()) == ("OWN!", "own")
    assert isinstance(one, Own)
    assert type(one).__name__ == "Own"


def test_the_trainer_and_its_callbacks_keep_by_name() -> None:
    trainer = Own(Counts(), object())
    assert [name for name, _ in keepers(trainer)] == ["Counts"]
    attach(trainer, Counts)
    assert [name for name, _ in keepers(trainer)] == ["trainer", "Counts"]
