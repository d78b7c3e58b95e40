"""What an import can be told, and what it tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from ratchet.artifacts.images import MAX_PIXELS
from ratchet.importing.columns import FIELDS, PICTURE_FIELDS
from ratchet.promptset import SHARES, PromptSet
from ratchet.promptset import SPLIT_NAMES as SPLITS
from ratchet.records import Record

PACK_BYTES = 256 << 20
ASK = "Describe the image in detail."
PLACEHOLDER = "<image>"


class ImportOptions(Record):
    """How rows are read and split. Everything but `rejects` and `strict` is part of the set's identity."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", description="what recipes call the set")
    pictures: bool = Field(False, description="rows are pictures without questions and answers: all ask the same")
    ask: str = Field(ASK, description="what they ask, with `pictures`")
    columns: dict[str, str] = Field(
        {}, description="field -> the column that holds it, where its name is not a usual one"
    )
    salt: str | None = Field(None, description="decides the splits; null: the name")
    shares: dict[str, float] = Field(
        dict(SHARES), description="size of each split, as shares of all split keys; with `pictures` all is pool"
    )
    split_by: str | None = Field(
        None, description="column whose value stays together: document, patient, writer; null: the picture"
    )
    split_column: str | None = Field(
        None, description="column with the data's own split names; `split` also reads folder and file names"
    )
    split_names: dict[str, str] = Field(
        {}, description="own split name -> ours, or several joined by + and divided by their shares"
    )
    verifiers: tuple[str, ...] | None = Field(
        None, description="for rows that name none; null: by the reference's shape"
    )
    skill: str = Field("general", description="for rows that name none; with `pictures` it is `picture`")
    source: str | None = Field(None, description="for rows that name none; null: the name")
    licence: str | None = Field(None, description="for rows that name none")
    max_pixels: int = Field(MAX_PIXELS, gt=0, description="larger pictures are rejected before they are unpacked")
    pack_bytes: int = Field(PACK_BYTES, gt=0, description="about the most bytes of pictures in one pack, and in memory")
    rejects: Path | None = Field(None, description="also write the rejected rows to this local file")
    strict: bool = Field(False, description="refuse the import when any row is rejected")

    @model_validator(mode="before")
    @classmethod
    def _a_pool(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("pictures"):
            return {"skill": "picture", "shares": {"pool": 1.0}, **given}
        return given

    @field_validator("ask")
    @classmethod
    def _asks_something(cls, ask: str) -> str:
        if not (text := ask.replace(PLACEHOLDER, "").strip()):
            raise ValueError(f"it is {ask!r}, which asks nothing; give a question, or leave it out")
        return text

    @field_validator("name")
    @classmethod
    def _not_the_world(cls, name: str) -> str:
        if name == "tinyworld":
            raise ValueError("the name 'tinyworld' means the built-in world in recipes; choose another")
        return name

    @model_validator(mode="after")
    def _known_words(self) -> ImportOptions:
        for field in self.columns:
            if field not in FIELDS:
                raise ValueError(f"columns maps {field!r}, which is no field; fields: {', '.join(FIELDS)}")
        if (
            not set(self.shares) <= set(SPLITS)
            or min(self.shares.values(), default=-1.0) < 0
            or not sum(self.shares.values())
        ):
            raise ValueError(f"shares {self.shares} must be numbers >= 0, not all 0, for splits of {', '.join(SPLITS)}")
        for name, target in self.split_names.items():
            if not set(target.split("+")) <= set(SPLITS):
                raise ValueError(
                    f"split_names maps {name!r} to {target!r}; use {', '.join(SPLITS)}, or several joined by +"
                )
        if self.split_names and self.split_column is None:
            raise ValueError("split_names needs split_column: the column whose values they are")
        return self

    @model_validator(mode="after")
    def _one_kind_of_rows(self) -> ImportOptions:
        if not self.pictures and "ask" in self.model_fields_set:
            raise ValueError("ask is the question of pictures that have none; it needs pictures (--pictures)")
        if not self.pictures:
            return self
        unread = [field for field in self.columns if field not in PICTURE_FIELDS]
        if unread:
            raise ValueError(
                f"columns maps {unread[0]!r}, which is not read with pictures (only {', '.join(PICTURE_FIELDS)} are); "
                "leave one of the two out"
            )
        if self.verifiers:
            raise ValueError(
                "verifiers need answers to check, and with pictures there are none; leave one of the two out"
            )
        return self

    @property
    def split_salt(self) -> str:
        return self.name if self.salt is None else self.salt


class Reject(Record):
    """A row that did not become a prompt. `row` is the line of a text file, or the row of a table, from 1."""

    file: str
    row: int
    id: str | None
    reason: str
    detail: str
    raw: str


class ImportReport(Record):
    """What became of every row read: `rows_read` is always `accepted` plus the sum of `rejected`.

    `named_verifiers` were asked for, `guessed_verifiers` follow from the reference's shape. `pictures` counts what is
    unusual about pictures that were accepted. `reused` says that the set was there already.
    """

    set: PromptSet
    reused: bool = False
    rows_read: int
    accepted: int
    rejected: dict[str, int]
    splits: dict[str, int]
    images: int
    columns: dict[str, str]
    unused_columns: tuple[str, ...]
    named_verifiers: dict[str, int]
    guessed_verifiers: dict[str, int]
    skills: dict[str, int]
    sources: dict[str, int]
    licences: dict[str, int]
    pictures: dict[str, int]
    warnings: tuple[str, ...]
    rejects: str | None
    seconds: float

    def lines(self) -> list[str]:
        """The report in words, for a terminal."""
        state = "already there" if self.reused else "made"
        told = [
            f"prompt set {self.set.name} {state}: {self.set.digest[:12]}",
            f"rows read {self.rows_read} = accepted {self.accepted} + rejected {sum(self.rejected.values())}",
            *(f"  rejected, {reason}: {count}" for reason, count in self.rejected.items()),
            f"splits: {_counts(self.splits)}; pictures: {self.images}",
            f"columns: {', '.join(f'{field} from {column}' for field, column in self.columns.items())}",
        ]
        if self.unused_columns:
            told.append(f"columns not used: {', '.join(self.unused_columns)}")
        if self.named_verifiers:
            told.append(f"verifiers as named: {_counts(self.named_verifiers)}")
        if self.guessed_verifiers:
            told.append(f"verifiers chosen by the reference's shape: {_counts(self.guessed_verifiers)}")
        told.append(f"licences: {_counts(self.licences)}")
        if self.pictures:
            told.append(f"unusual pictures (bytes kept as they are): {_counts(self.pictures)}")
        return [*told, *(f"warning: {w}" for w in self.warnings)]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


class RowRefused(Exception):
    """A row cannot be a prompt. Caught where rows are read and turned into a Reject: it never leaves the package."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
