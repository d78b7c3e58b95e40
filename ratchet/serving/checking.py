"""Does a canary serve? Its health, and answers to a few prompts of the loop's validation split, with their pictures."""

from __future__ import annotations

import itertools
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from ratchet import rounds
from ratchet.artifacts import ImageBank
from ratchet.errors import PromptSetError, RatchetError, SamplingError
from ratchet.promptset import find, open_part
from ratchet.records import Prompt
from ratchet.serving.manifest import Wanted
from ratchet.serving.outcome import Aborted
from ratchet.store import Store

SPLIT = "validation"


def healthy(url: str, seconds: float = 10.0) -> str | None:
    """None, or what is wrong."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=seconds) as answer:
            return None if answer.status == 200 else f"{url}/health answered {answer.status}"
    except (urllib.error.URLError, OSError, ValueError) as error:
        return f"{url}/health: {error}"


def answering(url: str, wanted: Wanted, store: Store) -> str | None:
    """None when all prompts are answered, or what is wrong. Health comes first."""
    wrong = healthy(url)
    if wrong is not None or not wanted.config.canary.prompts:
        return wrong
    prompts, bank = _prompts(store, wanted.loop, wanted.config.canary.prompts)
    return _asked(url, wanted, prompts, bank) if prompts else None


def soak(url: str, wanted: Wanted, still: Callable[[], bool], every: float) -> None:
    """Watch the canary under its share of the traffic for `canary.soak_seconds`, a look each `every` seconds.

    Raises Aborted where it stops answering, and where the champion has moved (`still` says whether it has not).
    """
    end = time.monotonic() + wanted.config.canary.soak_seconds
    while True:
        wrong = healthy(url)
        if wrong is not None:
            raise Aborted(f"version {wanted.version.version} stopped answering under traffic: {wrong}")
        if not still():
            raise Aborted("the champion has moved meanwhile", final=False)
        if time.monotonic() > end:
            return
        time.sleep(min(every, max(end - time.monotonic(), 0)))


def _asked(url: str, wanted: Wanted, prompts: list[Prompt], bank: ImageBank) -> str | None:
    from ratchet.generate.engine import Request
    from ratchet.generate.engines.endpoint import EndpointEngine
    from ratchet.generate.sampling import SamplingParams
    from ratchet.recipe import EndpointConfig

    config = EndpointConfig(
        url=f"{url}/v1",
        model=wanted.loop,
        dialect="openai",
        retries=1,
        break_after=len(prompts) + 1,
        logprobs=False,
        timeout_seconds=wanted.config.canary.request_seconds,
    )
    try:
        engine = EndpointEngine(config, bank, wanted.loop)
        answers = engine.answer([Request.of(one) for one in prompts], SamplingParams(temperature=0))
    except SamplingError as error:
        return str(error)
    for prompt, (answer,) in zip(prompts, answers, strict=True):
        if answer.error is not None or not answer.text.strip():
            return f"prompt {prompt.id[:12]} of {SPLIT} was not answered: {answer.error or 'no text'}"
    return None


def _prompts(store: Store, loop: str, most: int) -> tuple[list[Prompt], ImageBank]:
    """The first prompts of the last round's validation split; none where there was no round, or it has none."""
    empty = ImageBank(store, [])
    try:
        known = rounds.numbers(store, loop)
        found = find(store, rounds.read_round(store, loop, known[-1]).prompts) if known else None
        part = open_part(store, found, SPLIT) if found is not None else None
    except PromptSetError:
        return [], empty
    except RatchetError as error:
        raise PromptSetError(f"the prompts to try a canary of loop {loop} on cannot be read: {error}") from error
    if part is None:
        return [], empty
    return list(itertools.islice(part.rows(), most)), ImageBank(store, part.manifest.packs)
