"""One row as a prompt without its split: fields in one form, pictures checked. Raises RowRefused for what cannot be one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from ratchet.errors import VerifierError
from ratchet.importing.answers import choice_letter, choice_texts, default_verifier, reference_text, with_choices
from ratchet.importing.columns import FIELDS, PICTURE_FIELDS, ColumnMap
from ratchet.importing.options import PLACEHOLDER, ImportOptions, RowRefused
from ratchet.importing.pictures import Pictures, Seen, values_of
from ratchet.importing.tables import RawRow
from ratchet.records import EnvironmentRef, Message, Prompt
from ratchet.verify.environments import read, ref_of

_ROLES = {"system": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant"}


@dataclass(frozen=True)
class Draft:
    """A row that may become a prompt: `key` and `split` are what the row itself says of where it belongs."""

    row: RawRow
    id: str | None
    prompt: Prompt
    pictures: tuple[Seen, ...]
    key: str | None
    split: str | None
    guessed: bool


class RowReader:
    """Turns rows into drafts; the same for the same row and options."""

    def __init__(self, options: ImportOptions, pictures: Pictures) -> None:
        self._options = options
        self._pictures = pictures
        others = [
            c for c in (options.split_by, options.split_column) if c and not (c == options.split_column == "split")
        ]
        self.columns = ColumnMap(options.columns, others, PICTURE_FIELDS if options.pictures else FIELDS)

    def id_of(self, row: RawRow) -> str | None:
        """The row's own name, for messages."""
        own = self._own_id(row)
        return row.name if own is None else own

    def _own_id(self, row: RawRow) -> str | None:
        value = _Fields(row.values, self.columns).get("id")
        return value if isinstance(value, str) else None if value is None else str(value)[:200]

    def draft(self, row: RawRow) -> Draft:
        if row.problem is not None:
            raise RowRefused(*row.problem)
        return self._picture(row) if self._options.pictures else self._question(row)

    def _picture(self, row: RawRow) -> Draft:
        """The constant question about a row's pictures, whatever else is in the row. Ids of a pool may repeat."""
        pictures = tuple(self.pictures_of(row))
        prompt = Prompt.make(
            messages=[Message(role="user", content=self._options.ask)],
            images=[p.ref for p in pictures],
            skill=self._options.skill,
            **self._origin(_Fields(row.values, self.columns)),
        )
        return Draft(row, None, prompt, pictures, self._key(row.values), self._split(row), guessed=False)

    def _origin(self, fields: _Fields) -> dict[str, Any]:
        return {
            "source": fields.text("source") or self._options.source or self._options.name,
            "licence": fields.text("licence") or self._options.licence,
        }

    def _question(self, row: RawRow) -> Draft:
        fields = _Fields(row.values, self.columns)
        messages, answer = _messages_of(fields)
        choices = choice_texts(fields.get("choices"))
        value = fields.get("reference") if fields.get("reference") is not None else answer
        reference = choice_letter(value, choices) if choices else reference_text(value)
        if choices:
            messages = _asking(messages, choices)
        environment = _environment(fields.get("environment"))
        verifiers, guessed = self._verifiers(fields, reference, bool(choices), environment)
        pictures = self.pictures_of(row)
        prompt = Prompt.make(
            messages=messages,
            images=[p.ref for p in pictures],
            reference=reference,
            verifiers=verifiers,
            skill=fields.text("skill") or self._options.skill,
            difficulty=_number(fields.get("difficulty")),
            environment=environment,
            **self._origin(fields),
        )
        key, split = self._key(row.values), self._split(row)
        return Draft(row, self._own_id(row), prompt, tuple(pictures), key, split, guessed)

    def picture_values(self, row: RawRow) -> list[Any]:
        """The pictures that a row gives, as paths or bytes, in order."""
        return values_of(_Fields(row.values, self.columns).all("images"))

    def pictures_of(self, row: RawRow) -> list[Seen]:
        values = self.picture_values(row)
        if not values:
            raise RowRefused("no_picture", "the row names no picture; ratchet's prompts have at least one.")
        return [self._pictures.look(row.table, value) for value in values]

    def _verifiers(
        self, fields: _Fields, reference: str | None, has_choices: bool, environment: EnvironmentRef | None
    ) -> tuple[tuple[str, ...], bool]:
        named = fields.get("verifiers")
        if isinstance(named, str):
            named = re.split(r"[,;\s]+", named.strip())
        if named is not None and not (isinstance(named, list) and all(isinstance(n, str) for n in named)):
            raise RowRefused(
                "wrong_type", f"verifiers are {type(named).__name__}; give names in a list, or with commas."
            )
        names = tuple(dict.fromkeys(n for n in named or () if n)) or self._options.verifiers
        if names is not None:
            return names, False
        if environment is not None:
            return (environment.name,), True
        return ((default_verifier(reference, has_choices),) if reference is not None else ()), True

    def _key(self, values: Mapping[str, Any]) -> str | None:
        column = self._options.split_by or next(iter(self.columns.of(values).get("split_key", ())), None)
        if column is None or (self._options.split_by is None and values.get(column) in (None, "")):
            return None
        text = reference_text(values.get(column)) if not isinstance(values.get(column), list | dict) else None
        if text is None:
            raise RowRefused(
                "no_split_key", f"column {column!r} has no value here, so the row's split cannot be decided."
            )
        return text

    def _split(self, row: RawRow) -> str | None:
        column = self._options.split_column
        if column is None:
            return None
        value = row.values.get(column)
        if value is None and column == "split":
            value = row.table.split
        if not isinstance(value, str):
            raise RowRefused("unknown_split", f"column {column!r} holds {value!r}, no name of a split.")
        return value


@dataclass(frozen=True)
class _Fields:
    """A row's values by field."""

    values: Mapping[str, Any]
    columns: ColumnMap

    def all(self, field: str) -> list[Any]:
        return [self.values[c] for c in self.columns.of(self.values).get(field, ())]

    def get(self, field: str) -> Any:
        found = self.all(field)
        return found[0] if found else None

    def text(self, field: str) -> str | None:
        """Text of a field that only labels; numbers are taken as their digits."""
        value = self.get(field)
        if value is None or isinstance(value, str):
            return value.strip() or None if value else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RowRefused("wrong_type", f"{field} is a {type(value).__name__}; text is needed.")
        return reference_text(value)


def _messages_of(fields: _Fields) -> tuple[list[Message], str | None]:
    """The chat up to the question, and the last assistant turn where the chat ends with one: that is the reference."""
    question = fields.get("question")
    given = fields.get("messages") if question is None else question
    if isinstance(given, str) and question is None:
        try:
            given = orjson.loads(given)
        except orjson.JSONDecodeError as error:
            raise RowRefused("wrong_type", f"messages are text that is not JSON: {error}.") from error
    if given is None or given == "" or given == []:
        raise RowRefused("no_question", "the row has no question (or messages).")
    turns = [Message(role="user", content=_text(given))] if isinstance(given, str) else _turns(given)
    answer = turns.pop().content if turns and turns[-1].role == "assistant" else None
    if not turns or turns[-1].role != "user" or not turns[-1].content:
        raise RowRefused("no_question", "the chat does not end with a question of the user.")
    return turns, answer


def _turns(given: Any) -> list[Message]:
    if not isinstance(given, list) or not all(isinstance(turn, Mapping) for turn in given):
        raise RowRefused(
            "wrong_type", f"the question is {type(given).__name__}; give text, or a list of {{role, content}}."
        )
    turns = []
    for turn in given:
        role = _ROLES.get(str(turn.get("role", turn.get("from"))))
        if role is None:
            raise RowRefused(
                "wrong_type",
                f"a turn has the role {turn.get('role', turn.get('from'))!r}; use system, user or assistant.",
            )
        turns.append(
            Message.model_validate({"role": role, "content": _content(turn.get("content", turn.get("value")))})
        )
    return turns


def _content(content: Any) -> str:
    """Text of a turn. In a list of parts the pictures' places are dropped: pictures always come first."""
    if isinstance(content, list) and all(isinstance(part, Mapping) for part in content):
        content = "\n".join(str(part.get("text") or "") for part in content if part.get("type") == "text")
    if not isinstance(content, str):
        raise RowRefused("wrong_type", f"a turn's content is {type(content).__name__}; give text.")
    return _text(content)


def _text(text: str) -> str:
    return text.replace(PLACEHOLDER, "").strip()


def _asking(messages: Sequence[Message], choices: Sequence[str]) -> list[Message]:
    last = messages[-1]
    return [*messages[:-1], Message(role=last.role, content=with_choices(last.content, choices))]


def _environment(value: Any) -> EnvironmentRef | None:
    """Where an answer is carried out: {name, state}, the state JSON or as JSON text, the whole perhaps as text (CSV)."""
    if value is None or value == "":
        return None
    try:
        given = orjson.loads(value) if isinstance(value, str) else value
        state = given.get("state", {})
        text = state if isinstance(state, str) else orjson.dumps(state).decode()
        return ref_of(read(EnvironmentRef(name=given["name"], state=text)))
    except (orjson.JSONDecodeError, TypeError, AttributeError, KeyError, ValidationError) as error:
        raise RowRefused(
            "bad_environment",
            f"the environment is {str(value)[:80]!r}; give {{name, state}}, such as `ratchet environment draw` writes.",
        ) from error
    except VerifierError as error:
        raise RowRefused("bad_environment", str(error)) from error


def _number(value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise RowRefused("wrong_type", f"difficulty is {value!r}; a number is needed.")
    return number
