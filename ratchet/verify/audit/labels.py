"""Labels that people gave: one JSON object a line with prompt_id, text, right (true or false) and, if known, author.

They stand in for what the prompts' own verifiers say, so they measure these too. `author` names who wrote the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from ratchet.artifacts import ImageBank
from ratchet.errors import VerifierError
from ratchet.generate.sampling import SamplingParams
from ratchet.recipe.audit import AuditConfig
from ratchet.records import Completion, Group, Prompt, Record
from ratchet.verify.audit.probes import lexicon_for
from ratchet.verify.audit.slices import Slice, cases_of
from ratchet.verify.environments import for_prompts

UNKNOWN = "unknown"


class Label(Record):
    """One answer to a prompt of the validation split, and whether it is right."""

    prompt_id: str = Field(min_length=1)
    text: str
    right: bool
    author: str = UNKNOWN


def read_labels(path: Path) -> dict[str, list[Label]]:
    """The labels of a file by prompt id. Raises VerifierError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VerifierError(
            f"labels {path} cannot be read ({error}); give a JSONL file of prompt_id, text, right, author."
        ) from None
    found: dict[str, list[Label]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            label = Label.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "line"
            raise VerifierError(
                f"line {number} of {path}: {where}: {first['msg']}. Each line is an object with prompt_id, text, right "
                "(true or false) and optionally author."
            ) from None
        found.setdefault(label.prompt_id, []).append(label)
    if not found:
        raise VerifierError(f"{path} has no labels; write one JSON object a line with prompt_id, text, right, author.")
    return found


def labelled(
    rows: Iterable[Prompt],
    labels: Mapping[str, Sequence[Label]],
    config: AuditConfig,
    draw: int,
    name: str,
    bank: ImageBank | None = None,
) -> Slice:
    """The slice of the labelled prompts. Raises VerifierError where one of them is not in the split: no other is read."""
    prompts = sorted((prompt for prompt in rows if prompt.id in labels), key=lambda prompt: prompt.id)
    missing = sorted(labels.keys() - {prompt.id for prompt in prompts})
    if missing:
        raise VerifierError(
            f"{len(missing)} of {len(labels)} labelled prompts are not in the validation split of {name}, such as {missing[0]}: no "
            "other split may be looked at. Remove their lines, or audit the set that they are of."
        )
    rights = {prompt.id: [label.right for label in labels[prompt.id]] for prompt in prompts}
    answers = [tuple(_completion(index, label) for index, label in enumerate(labels[p.id])) for p in prompts]

    def judged(groups: Sequence[Group]) -> list[list[bool | None]]:
        return [list(rights[group.prompt.id]) for group in groups]

    cases = cases_of(prompts, answers, judged, lexicon_for(config.words, prompts), draw, for_prompts(bank))
    k = max(len(one) for one in answers)
    return Slice(cases, "labels", k, 0.0, draw)


def _completion(index: int, label: Label) -> Completion:
    sampling = SamplingParams(strategy="labelled", temperature=0.0).record()
    return Completion(
        index=index, text=label.text, finish_reason="stop", sampling=sampling, n_tokens=0, model=label.author
    )
