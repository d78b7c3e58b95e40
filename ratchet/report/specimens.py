"""Rows of a round's collection for people to look at: negatives beside what they were made from, what guided strategies
really showed the model, and questions that the model asked, with those that were refused."""

from __future__ import annotations

import base64
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal

from ratchet.artifacts import GROUPS, Artifact, ImageBank, Manifest
from ratchet.errors import ArtifactError, NotFound
from ratchet.records import Completion, Group, ImageRef, Negative
from ratchet.report.collection import Said, SceneView, Specimen, Words
from ratchet.store import Store

Row = tuple[Group, Completion | None]
Family = Literal["negative", "guided", "question"]
MOST: dict[Family, int] = {"negative": 12, "guided": 6, "question": 8}
LOOKED_AT = 2000
"""Groups that are read at most: rows lie in random order, so what is common is among them."""
SIDE = 320
"""Larger pictures are shown smaller: pixels of the long side."""
PIXELS = 128
"""Pictures up to this side are enlarged without smoothing, as in the gallery."""
ANSWERS = 4
PICTURES = 4
EMBEDDED = ("image/png", "image/jpeg", "image/gif", "image/webp")


def specimens(store: Store, manifest: Manifest) -> tuple[Specimen, ...]:
    """A few rows of a generate stage, as many kinds of them as there are. Nothing where the rows are gone."""
    if "strategies" not in manifest.results:
        return ()
    bank = ImageBank(store, manifest.packs)
    try:
        groups = list(islice(Artifact.open(store, manifest.uri, GROUPS).rows(), LOOKED_AT))
        return tuple(_spread(groups, bank))
    except (ArtifactError, NotFound):
        return ()


def _spread(groups: Sequence[Group], bank: ImageBank) -> Iterator[Specimen]:
    """Rows of each family, by kind."""
    for family, most in MOST.items():
        by_kind: dict[str, list[Row]] = {}
        for kind, group, completion in _of(family, groups):
            by_kind.setdefault(kind, []).append((group, completion))
        for kind, rows in _chosen(by_kind, most).items():
            for group, completion in rows:
                yield _specimen(family, kind, group, completion, bank)


def _chosen(by_kind: Mapping[str, Sequence[Row]], most: int) -> dict[str, list[Row]]:
    """At most `most` rows: of every kind one, then of every kind another, each of a prompt that was shown least so far."""
    left = {kind: list(rows) for kind, rows in sorted(by_kind.items())}
    chosen: dict[str, list[Row]] = {kind: [] for kind in left}
    shown = Counter[str]()
    while any(left.values()):
        for kind in [kind for kind in left if left[kind]]:
            if sum(map(len, chosen.values())) == most:
                return chosen
            place = min(range(len(left[kind])), key=lambda i: shown[_about(left[kind][i])])
            row = left[kind].pop(place)
            shown[_about(row)] += 1
            chosen[kind].append(row)
    return chosen


def _about(row: Row) -> str:
    """The prompt of the pool that a row is about."""
    return row[0].prompt.origin or row[0].prompt.id


def _of(family: Family, groups: Iterable[Group]) -> Iterator[tuple[str, Group, Completion | None]]:
    """All rows of a family with their kinds."""
    for group in groups:
        if family == "question":
            if group.reason is not None:
                yield f"refused: {group.reason}", group, None
            elif group.prompt.origin is not None:
                yield "asked", group, None
            continue
        if family == "guided" and (group.reason is not None or group.prompt.origin is not None):
            continue
        for one in group.completions:
            if family == "negative" and one.negative is not None:
                yield f"{one.negative.kind} {one.negative.use}", group, one
            elif family == "guided" and one.negative is None and one.input is not None:
                yield f"{one.sampling.strategy}{'' if one.input.images else ' blind'}", group, one


def _specimen(family: Family, kind: str, group: Group, one: Completion | None, bank: ImageBank) -> Specimen:
    prompt = group.prompt
    if one is None:
        kind, about = ("refused", group.reason or "") if group.reason is not None else ("asked", _notes(group))
        scenes, said = [_scene("Picture", prompt.images, bank)], _asked(group)
    elif one.negative is not None:
        kind, about = one.negative.kind, _parameters(one.negative)
        scenes, said = _scenes(group, one, one.negative, bank), _negative(group, one, one.negative)
    else:
        kind = one.sampling.strategy
        about = "" if one.input is None or one.input.images else "shown without the picture"
        scenes, said = [_scene("Picture", prompt.images, bank)], _guided(group, one)
    return Specimen(
        family=family, kind=kind, about=about, skill=prompt.skill, question=prompt.question, scenes=tuple(scenes), said=tuple(said)
    )  # fmt: skip


def _asked(group: Group) -> Iterator[Said]:
    """The label and a few answers; of a question that was refused, what was said."""
    if group.reason is None and group.prompt.reference is not None:
        yield _said("taken as right", group.prompt.reference, "right")
    for one in group.completions[:ANSWERS]:
        yield _said(f"answer {one.index + 1}" if group.reason is None else "said", one.error or one.text)
    if len(group.completions) > ANSWERS:
        yield _said("and", f"{len(group.completions) - ANSWERS} more answers")


def _notes(group: Group) -> str:
    """What the strategy measured of a question, as its first answer says."""
    return ", ".join(f"{note.name} {note.score:.3g}" for one in group.completions[:1] for note in one.notes)


def _guided(group: Group, one: Completion) -> Iterator[Said]:
    """The messages that the stored prompt does not have, what the answer was begun with, and the answer."""
    assert one.input is not None
    stored = {(m.role, m.content) for m in group.prompt.messages}
    for message in one.input.messages:
        if (message.role, message.content) not in stored:
            yield _said(f"shown, {message.role}", message.content)
    if one.input.begun:
        yield _said("begun with", one.input.begun)
    yield _said("answer", one.text if one.error is None else one.error)


def _negative(group: Group, one: Completion, made: Negative) -> Iterator[Said]:
    question = _question_shown(one)
    if question is not None and question != group.prompt.question:
        yield _said("asked instead", question)
    if made.use == "input":
        yield _said("the answer, right for the first picture only", one.text)
        return
    good = _better(group, made)
    if good is not None:
        yield Said(who=good[0], text=_marked(good[1], made, "from"), kind="right")
    if one.error is not None:
        yield _said("no negative", one.error)
    elif good is not None and one.text == good[1]:
        yield _said("negative, with the same words", one.text)
    else:
        yield Said(who="negative", text=_marked(one.text, made, "to"), kind="wrong")


def _better(group: Group, made: Negative) -> tuple[str, str] | None:
    """What the negative stands against: its parent, or the reference, or the first honest answer."""
    of, _, index = made.parent.partition(":")
    if of == "completion":
        return next(((f"answer {c.index + 1}", c.text) for c in group.completions if str(c.index) == index), None)
    if group.prompt.reference is not None:
        return "reference", group.prompt.reference
    return next((("answer", c.text) for c in group.completions if c.negative is None and c.error is None), None)


def _question_shown(one: Completion) -> str | None:
    if one.input is None:
        return None
    return next((m.content for m in reversed(one.input.messages) if m.role == "user"), None)


def _marked(text: str, made: Negative, side: str) -> tuple[Words, ...]:
    """The text in pieces, with the words that were exchanged (`side` from or to) or written anew marked."""
    start, end = _changed(text, made, side)
    pieces = (Words(text=text[:start]), Words(text=text[start:end], marked=True), Words(text=text[end:]))
    return tuple(piece for piece in pieces if piece.text)


def _changed(text: str, made: Negative, side: str) -> tuple[int, int]:
    """Where the changed words stand: from word `at` on, else where they first do; (0, 0) for nowhere."""
    begun = made.words.get("begun")
    if begun is not None:
        return (len(begun), len(text)) if text.startswith(begun) else (0, 0)
    changed = made.words.get(side, "")
    if not changed or changed not in text:
        return (0, 0)
    start = text.find(changed, _start_of_word(text, int(made.params.get("at", 0))))
    start = text.index(changed) if start < 0 else start
    return (start, start + len(changed))


def _start_of_word(text: str, at: int) -> int:
    """The character at which word `at` begins, words between blanks counted from 0; 0 where there is no such word."""
    begins = [word.start() for word in re.finditer(r"\S+", text)]
    return begins[at] if 0 <= at < len(begins) else 0


def _parameters(made: Negative) -> str:
    """What the negative was made with: what was exchanged, parameters, seed."""
    before, after = made.words.get("from"), made.words.get("to")
    exchanged = [f"{before} → {after}" if before else f"{after} inserted"] if after else []
    named = [f"{name} {made.words[name]}" for name in ("fact", "corruption") if name in made.words]
    numbers = [f"{name} {value:g}" for name, value in made.params.items() if name != "at"]
    return ", ".join([*named, *exchanged, *numbers, f"seed {made.seed}"])


def _scenes(group: Group, one: Completion, made: Negative, bank: ImageBank) -> list[SceneView]:
    """The pictures as they are, and as they were shown where that differs."""
    shown = one.input.images if one.input is not None else group.prompt.images
    if [i.sha256 for i in shown] == [i.sha256 for i in group.prompt.images]:
        return [_scene("Picture", group.prompt.images, bank)]
    if not shown:
        return [_scene("Picture, which was not shown", group.prompt.images, bank)]
    bad = "Rejected input" if made.use == "input" else "Shown instead"
    return [_scene("Picture", group.prompt.images, bank), _scene(bad, shown, bank)]


def _scene(name: str, refs: Sequence[ImageRef], bank: ImageBank) -> SceneView:
    small = all(max(ref.width, ref.height) <= PIXELS for ref in refs)
    return SceneView(name=name, pictures=tuple(address(ref, bank) for ref in refs[:PICTURES]), pixels=small)


def address(ref: ImageRef, bank: ImageBank) -> str:
    """The picture as a data URI: its own bytes where they are small, else smaller and as a JPEG."""
    if max(ref.width, ref.height) <= SIDE and ref.media_type in EMBEDDED:
        return _data_uri(ref.media_type, bank.bytes(ref.sha256))
    image = bank.image(ref.sha256)
    image.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=90)
    return _data_uri("image/jpeg", written.getvalue())


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _said(who: str, text: str, kind: Literal["right", "wrong", "plain"] = "plain") -> Said:
    return Said(who=who, text=(Words(text=text),) if text else (), kind=kind)
