"""Judges for unit tests: tools whose judge says what a script says, and groups for it to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ratchet.artifacts import ImageBank, ModelRef
from ratchet.generate.engine import Answer, Request
from ratchet.recipe import JudgeConfig
from ratchet.recipe import parse as parse_recipe
from ratchet.records import Group, Verdict
from ratchet.store import FolderStore
from ratchet.verify.panel import panel_of
from ratchet.verify.tools import Tools
from tests import rows
from tests.asking import Scripted

SEED = ModelRef(name="seed", uri="file:///models/seed", digest="0" * 64)
LIST = {"name": "claims", "splitter": "list", "template": "is there a {claim} ?"}
ALL: list[Any] = [
    "rubric",
    "critique",
    "pairwise",
    "claims",
    LIST | {"label": "listed"},
    "self_check",
    "caption_consistency",
    "steps",
    "step_values",
]
"""Every verifier that asks a judge, as a recipe has it."""
Said = Callable[[str, Request], str | Answer]


def reply(text: str, n_prompt: int = 10, logprob_sum: float | None = None) -> Answer:
    return Answer(text, len(text.split()) + 1, "stop", logprob_sum, n_prompt=n_prompt)


class Bench:
    """A recipe's verifiers with a scripted judge. `said(text, request)` is what it replies to the text it is shown."""

    def __init__(self, folder: Path, said: Said, verifiers: Any, judges: Mapping[str, Any] | None = None) -> None:
        self.config = parse_recipe({"name": "t", "verify": {"verifiers": verifiers, "judges": judges or {}}}).verify
        self.engine = Scripted(lambda request, number: self._answer(said, request, number))
        store = FolderStore(str(folder))
        self.tools = Tools(store, ImageBank(store, []), SEED, self.config.judges, {}, 0)
        self.tools._engines["seed"] = self.engine
        self.panel = panel_of(self.config, self.tools)

    @staticmethod
    def _answer(said: Said, request: Request, _number: int) -> Answer:
        found = said(request.messages[-1].content, request)
        return reply(found) if isinstance(found, str) else found

    def verdicts(self, *texts: str, **prompt: Any) -> list[Verdict]:
        (row,) = self.all([group(*texts, **prompt)])
        return row

    def all(self, groups: list[Group]) -> list[list[Verdict]]:
        assert self.panel.names is not None
        (name,) = self.panel.names
        found = self.panel.verifiers[name].verify(groups)
        assert [len(row) for row in found] == [len(g.completions) for g in groups]
        return found

    @property
    def asked(self) -> list[Request]:
        return [request for call in self.engine.calls for request in call]

    def spent(self) -> dict[str, dict[str, int]]:
        return {name: dict(counts) for name, counts in self.tools.spending.take().items()}


def group(*texts: str, number: int = 0, **prompt: Any) -> Group:
    made = rows.group(number, texts)
    return made.model_copy(update={"prompt": made.prompt.model_copy(update=prompt)}) if prompt else made


def told(verdicts: list[Verdict]) -> list[tuple[float | None, bool | None, str]]:
    return [(v.score, v.passed, v.reason) for v in verdicts]


def judge(**fields: Any) -> JudgeConfig:
    return JudgeConfig.model_validate(fields)
