"""The environments as verifiers: an answer is read, carried out from the prompt's state, and judged by what came of it.

| name       | an answer is                      | passes                                   | score                          |
|------------|-----------------------------------|------------------------------------------|--------------------------------|
| navigate   | moves                             | the goal is reached, whatever the way    | share of the way that is gone  |
| draw       | a program in the state's language | likeness of at least the threshold       | likeness of drawing and picture |
| transforms | what was done                     | doing it gives the same pixels           | 0 or 1                         |
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from ratchet.errors import VerifierError, VerifierUnavailable
from ratchet.recipe.verifiers.environments import DrawConfig, NavigateConfig, TransformsConfig
from ratchet.records import Part, Prompt
from ratchet.verify.environments.states import DrawState, MazeState, TransformState, state_of
from ratchet.verify.extract import Extracted, extract
from ratchet.verify.protocol import Finding, Pace, Rule, Verifier
from ratchet.verify.rules import VERIFIERS

if TYPE_CHECKING:
    from ratchet.artifacts import ImageBank
    from ratchet.verify.environments.likeness import Pixels

T = TypeVar("T", bound=Hashable)
LARGEST = 1024
"""Pixels on a side of a picture that is drawn again or transformed."""
THRESHOLDS = {"words": 0.995, "svg": 0.9, "python": 0.9}
"""Measured for words on 400 pictures of the tiny world: right ones reach 1.000, and those with one thing wrong at most 0.994."""
_DIGITS = 6
_PACE = Pace()
_OTHER_COLOUR = {"red": "blue", "blue": "red", "green": "yellow", "yellow": "green"}
_BLANK = {"words": "nothing", "svg": '<svg xmlns="http://www.w3.org/2000/svg"/>', "python": "pass"}


@dataclass(frozen=True)
class EnvironmentRule(Rule):
    """`readable` says what is wrong with a prompt without its pictures; `blind`: there are none to look at (an import)."""

    needs_reference: bool = False
    pace: Pace = _PACE
    readable: Callable[[Prompt], str | None] = lambda _: None
    blind: bool = False

    def self_check(self, prompt: Prompt) -> str | None:
        try:
            complaint = self.readable(prompt)
            if complaint is not None or prompt.reference is None or self.blind:
                return complaint
            return super().self_check(prompt)
        except VerifierUnavailable:
            raise
        except VerifierError as error:
            return str(error)


def navigate(config: NavigateConfig) -> EnvironmentRule:
    """Moves on a grid."""
    from ratchet.verify.environments import maze

    def check(prompt: Prompt, answer: str) -> Finding:
        state_of(prompt, MazeState)
        given = extract(answer, maze.moves)
        return _unread(given) if given.value is None else _walked(prompt, given.value)

    def readable(prompt: Prompt) -> str | None:
        if maze.shortest(state_of(prompt, MazeState)) is None:
            return "no way leads from start to goal in this maze; leave it out."
        return None

    def stop_short(prompt: Prompt) -> str:
        return " ".join((extract(prompt.reference or "", maze.moves).value or ())[:-1])

    return EnvironmentRule(config.called, "1", check, stop_short, readable=readable)


def _walked(prompt: Prompt, moves: tuple[str, ...]) -> Finding:
    import numpy as np

    from ratchet.verify.environments.navigate import ACTIONS, Navigate

    world = Navigate()
    _, told = world.reset(options={"state": prompt.environment.state if prompt.environment else None})
    truncated = False
    for move in moves:
        _, _, terminated, truncated, told = world.step(np.int64(ACTIONS.index(move)))
        if terminated or truncated:
            break
    reached, steps = told["reason"] == "goal", told["steps"]
    parts = (Part(name="steps", score=steps), Part(name="efficiency", score=world.shortest / steps if reached else 0.0))
    reason = "too_long" if truncated and told["reason"] == "short" else told["reason"]
    return Finding(round(told["progress"], _DIGITS), reached, reason, parts=parts)


def draw(config: DrawConfig, bank: ImageBank | None) -> EnvironmentRule:
    """Draw it again. Its sandbox starts with the first program that needs one."""
    world: list[Any] = []
    looking = _Looking(bank)

    def again(prompt: Prompt, program: str) -> dict[str, Any]:
        from ratchet.verify.environments.draw import DrawAgain
        from ratchet.verify.environments.programs import sandbox_of

        state, picture = state_of(prompt, DrawState), looking.at(prompt)[0]
        if not world:
            world.append(DrawAgain(sandbox=sandbox_of(config.cpu_seconds, config.memory_mib)))
        world[0].reset(options={"state": state.model_dump_json(), "picture": picture})
        _, reward, _, _, told = world[0].step(program)
        return {**told, "score": round(reward, _DIGITS)}

    def check(prompt: Prompt, answer: str) -> Finding:
        state = state_of(prompt, DrawState)
        given = _program(state, answer)
        if given.value is None:
            return _unread(given)
        told = again(prompt, given.value)
        if told["unscored"]:
            return Finding(None, None, told["reason"], told["detail"])
        if told["reason"] != "ok":
            return Finding(0.0, False, told["reason"], told["detail"])
        score, least = told["score"], config.threshold or THRESHOLDS[state.language]
        reason = "match" if score >= least else "partial" if score else "wrong"
        return Finding(score, score >= least, reason)

    return EnvironmentRule(
        config.called,
        "1",
        check,
        _redrawn,
        pace=Pace(limited=False),
        readable=_readable_program,
        blind=bank is None,
    )


def _program(state: DrawState, answer: str) -> Extracted[str]:
    from ratchet.verify.environments.programs import programs

    return extract(answer, lambda part: programs(state.language, part))


def _readable_program(prompt: Prompt) -> str | None:
    state = state_of(prompt, DrawState)
    if prompt.reference is None:
        return None
    found = _program(state, prompt.reference)
    return None if found.value is not None else f"the reference is no program in {state.language} ({found.reason})."


def _redrawn(prompt: Prompt) -> str:
    """Another colour of the first thing, or a blank sheet."""
    language, reference = state_of(prompt, DrawState).language, prompt.reference or ""
    words = reference.lower().split()
    if language == "words" and words and words[0] in _OTHER_COLOUR:
        return " ".join([_OTHER_COLOUR[words[0]], *words[1:]])
    return _BLANK[language] if words != ["nothing"] else "red circle top left"


def transforms(config: TransformsConfig, bank: ImageBank | None) -> EnvironmentRule:
    """What was done to a picture."""
    from ratchet.verify.environments.transforms import ANSWERS, applied, readings, same

    looking = _Looking(bank)

    def check(prompt: Prompt, answer: str) -> Finding:
        from ratchet.verify.environments.undo import Undo

        state = state_of(prompt, TransformState)
        given = extract(answer, lambda part: readings(state.kind, part))
        if given.value is None:
            return _unread(given)
        world = Undo()
        world.reset(options={"state": state.model_dump_json(), "pictures": looking.at(prompt)})
        _, reward, _, _, told = world.step(given.value)
        return Finding(reward, reward == 1, told["reason"])

    def readable(prompt: Prompt) -> str | None:
        state = state_of(prompt, TransformState)
        _shown(state, prompt)
        if prompt.reference is None or extract(prompt.reference, lambda part: readings(state.kind, part)).value:
            return None
        return f"the reference is no answer of {state.kind}; these are: {', '.join(ANSWERS[state.kind][:9])}."

    def something_else(prompt: Prompt) -> str:
        """An answer that gives other pixels; the right one where the picture is too symmetric to have such."""
        from ratchet.verify.environments.undo import both

        state = state_of(prompt, TransformState)
        source, made = both(state, looking.at(prompt))
        others = (one for one in ANSWERS[state.kind] if not same(applied(state.kind, one, source), made))
        return next(others, prompt.reference or "")

    return EnvironmentRule(config.called, "1", check, something_else, readable=readable, blind=bank is None)


def _shown(state: TransformState, prompt: Prompt) -> None:
    """Raises VerifierError where the prompt shows too few pictures, or too many, for its transform to be undone."""
    from ratchet.verify.environments.undo import check_shown

    check_shown(state, len(prompt.images))


class _Looking:
    """Pictures as pixels, rows x columns x RGB; the last few are kept, for the answers to one prompt come together."""

    def __init__(self, bank: ImageBank | None) -> None:
        self._bank = bank
        self._pixels = lru_cache(maxsize=8)(self._decoded)

    def at(self, prompt: Prompt) -> list[Pixels]:
        """The prompt's first two pictures. Raises VerifierUnavailable without a bank, VerifierError for one that is too large."""
        return [self._pixels(one.sha256) for one in prompt.images[:2]]

    def _decoded(self, sha256: str) -> Pixels:
        import numpy as np

        if self._bank is None:
            raise VerifierUnavailable(
                "a verifier that looks at pictures has none here; take it from for_prompts(bank)."
            )
        image = self._bank.image(sha256)
        if max(image.size) > LARGEST:
            raise VerifierError(
                f"a picture of {image.width}x{image.height} pixels; environments take at most {LARGEST} on a side. Scale it down."
            )
        return np.asarray(image.convert("RGB"))


def _unread(given: Extracted[Any]) -> Finding:
    return Finding(0.0, False, given.reason or "")


def for_prompts(bank: ImageBank | None) -> dict[str, Verifier]:
    """All that prompts may name, with the defaults: the rules, and the environments with the prompts' pictures to look at."""
    return {**VERIFIERS, **environment_rules(bank)}


def environment_rules(bank: ImageBank | None) -> dict[str, Verifier]:
    """The environments with their defaults. Without pictures, as in an import, only their self-check can be asked."""
    rules = navigate(NavigateConfig()), draw(DrawConfig(), bank), transforms(TransformsConfig(), bank)
    return {rule.name: rule for rule in rules}


ENVIRONMENT_BUILDERS: dict[str, Callable[[Any, Any], Verifier]] = {
    "navigate": lambda config, _tools: navigate(config),
    "draw": lambda config, tools: draw(config, tools.bank),
    "transforms": lambda config, tools: transforms(config, tools.bank),
}
