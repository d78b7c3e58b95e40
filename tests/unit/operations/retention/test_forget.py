"""A picture that is taken out is nowhere below the root, nor what was made from it, and everything else is as it was."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ratchet import canonical, rounds
from ratchet.artifacts import GROUPS, PROMPTS, Artifact, ArtifactWriter, Header, ImageBank
from ratchet.artifacts.images import write_pack
from ratchet.cli.app import app
from ratchet.errors import LeaseHeld, RatchetError
from ratchet.finish import finish
from ratchet.importing import ImportOptions, import_prompts
from ratchet.operations.retention import forget
from ratchet.promptset import find, open_part
from ratchet.records import Completion, Group, ImageRef, Negative, Prompt, Sampling, Shown
from ratchet.registry import open_registry
from ratchet.registry.base import ROUND, Lineage
from ratchet.review.labels import Label, Labels
from ratchet.rounds import Ticket
from ratchet.settings import Settings
from ratchet.store import FolderStore, Store, open_store
from tests import tiny
from tests.unit.loops import LOOP, leave, model, new_loop, opened

BLURRED = tiny.png("grey", 9)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_loop(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings.root)


@pytest.fixture
def ticket(settings: Settings, store: Store) -> Ticket:
    """A round whose filter kept two prompts' groups: the first also answered with its picture blurred."""
    ticket = opened(settings)
    prompts, bank = drawn(store, ticket)
    made = write_pack(
        store, f"{rounds.round_prefix(LOOP, 1)}/generate-000000000000/pictures-00000-000.parquet", [picture(BLURRED)]
    )
    leave(store, ticket, "generate")
    leave(store, ticket, "verify")
    header = Header(stage="filter", key="filter", loop=LOOP, round=1, epoch=ticket.epoch)
    writer = ArtifactWriter(store, f"{rounds.round_prefix(LOOP, 1)}/filter-000000000000", GROUPS, header)
    writer.write(0, [group(prompts[0], blurred=True), group(prompts[1])])
    writer.commit(packs=(*bank, made), counts={"kept": 2}, seconds={})
    for stage in ("train", "evaluate", "promote"):
        leave(
            store,
            ticket,
            stage,
            {"state": "REFUSED", "decision": {"reason": "r"}, "words": ["no."]} if stage == "promote" else None,
        )
    return ticket


def picture(data: bytes) -> tuple[str, bytes]:
    return canonical.sha256(data), data


def drawn(store: Store, ticket: Ticket) -> tuple[list[Prompt], tuple[object, ...]]:
    found = find(store, rounds.read_round(store, LOOP, ticket.number).prompts)
    assert found is not None
    part = open_part(store, found, "pool")
    return list(part.rows()), part.manifest.packs


def group(prompt: Prompt, blurred: bool = False) -> Group:
    plain = Completion(
        index=0,
        text="a cube",
        finish_reason="stop",
        sampling=Sampling(strategy="s", seed=1, temperature=1.0, max_new_tokens=4),
        n_tokens=2,
        model="m",
    )
    if not blurred:
        return Group(prompt=prompt, completions=(plain,), uses=("sft",))
    bad = ImageRef(sha256=canonical.sha256(BLURRED), media_type="image/png", width=8, height=8)
    worse = plain.model_copy(
        update={
            "index": 1,
            "input": Shown(messages=prompt.messages, images=(bad,)),
            "negative": Negative(kind="blur", seed=1, parent=f"picture:{prompt.images[0].sha256}"),
        }
    )
    return Group(prompt=prompt, completions=(plain, worse), uses=("sft",))


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_it_is_nowhere_afterwards_and_the_rest_is_as_it_was(
    settings: Settings, store: Store, ticket: Ticket, tmp_path: Path
) -> None:
    prompts, packs = drawn(store, ticket)
    gone, stays = prompts
    finish("job-1", LOOP, settings)
    bank = ImageBank(store, packs)  # type: ignore[arg-type]
    sha, data, other = gone.images[0].sha256, bank.bytes(gone.images[0].sha256), bank.bytes(stays.images[0].sha256)
    registry = open_registry(settings, store)
    ref = model(LOOP, "candidate", store)
    registry.register(LOOP, ref.uri, ref.digest, Lineage(tags={ROUND: "1"}))
    Labels(store, LOOP).add(
        Label(
            round=1,
            split="pool",
            prompt_id=gone.id,
            text="what it shows",
            model="m",
            why=(),
            verdict=True,
            choice="right",
            author="a",
        )
    )
    before = everything(tmp_path / "store")
    assert data in before
    dry = forget(store, registry, sha)
    assert everything(tmp_path / "store") == before
    told = forget(store, registry, sha, apply=True)
    assert told.model_copy(update={"applied": False, "left": dry.left}) == dry
    assert told.derived == (canonical.sha256(BLURRED),)
    assert told.versions == {LOOP: ["2"]}
    after = everything(tmp_path / "store")
    for trace in (data, base64.b64encode(data), BLURRED, b"what it shows"):
        assert trace not in after
    assert other in after
    again = find(store, rounds.read_round(store, LOOP, 1).prompts)
    assert again is not None
    part = open_part(store, again, "pool")
    assert list(part.rows()) == [stays]
    assert ImageBank(store, part.manifest.packs).bytes(stays.images[0].sha256) == other
    assert (part.manifest.forgotten, again.rows["pool"]) == (1, 1)
    kept = Artifact.open(store, store.uri(f"{rounds.round_prefix(LOOP, 1)}/filter-000000000000"), GROUPS)
    assert [one.prompt for one in kept.rows()] == [stays]
    repeated = forget(store, registry, sha, apply=True)
    assert (repeated.rows, repeated.files) == (0, ())


def test_versions_trained_from_one_that_learned_it_are_named_too(
    settings: Settings, store: Store, ticket: Ticket
) -> None:
    finish("job-1", LOOP, settings)
    registry = open_registry(settings, store)
    for number, name in ((1, "first"), (2, "second")):
        ref = model(LOOP, name, store)
        made = registry.register(LOOP, ref.uri, ref.digest, Lineage(tags={ROUND: str(number)}))
        assert made.version == str(number + 1)
    first = rounds.read_round(store, LOOP, 1)
    later = first.model_copy(update={"number": 2, "seed": first.seed.model_copy(update={"version": "2"})})
    rounds.write_round(store, later)
    sha = drawn(store, ticket)[0][0].images[0].sha256
    assert forget(store, registry, sha).versions == {LOOP: ["2", "3 (from 2)"]}


class Dying(FolderStore):
    """Ends after so many writes and deletions, as a kill would."""

    left = 10**9

    def _count(self) -> None:
        if self.left <= 0:
            raise KeyboardInterrupt
        self.left -= 1

    def put(self, key, data):  # type: ignore[no-untyped-def]
        self._count()
        return super().put(key, data)

    def delete(self, key):  # type: ignore[no-untyped-def]
        self._count()
        return super().delete(key)


@pytest.mark.parametrize("after", range(0, 16, 3))
def test_killed_anywhere_every_artifact_can_be_read_and_run_again_it_ends_the_same(
    after: int, settings: Settings, store: Store, ticket: Ticket, tmp_path: Path
) -> None:
    finish("job-1", LOOP, settings)
    prompts, packs = drawn(store, ticket)
    data = ImageBank(store, packs).bytes(prompts[0].images[0].sha256)  # type: ignore[arg-type]
    dying, registry = Dying(settings.root), open_registry(settings, store)
    dying.left = after
    with pytest.raises(KeyboardInterrupt):
        forget(dying, registry, prompts[0].images[0].sha256, apply=True)
    place = store.uri(f"{rounds.round_prefix(LOOP, 1)}/filter-000000000000")
    assert len(list(Artifact.open(store, place, GROUPS).rows())) in (1, 2)
    assert len(list(drawn(store, ticket)[0])) in (1, 2)
    forget(store, registry, prompts[0].images[0].sha256, apply=True)
    assert [one.prompt for one in Artifact.open(store, place, GROUPS).rows()] == [prompts[1]]
    assert data not in everything(tmp_path / "store")


def test_while_a_run_works_on_the_loop_nothing_is_taken_out(
    settings: Settings, store: Store, ticket: Ticket, tmp_path: Path
) -> None:
    sha = drawn(store, ticket)[0][0].images[0].sha256
    store.put(f"loops/{LOOP}/lease.clock", b"")
    before = everything(tmp_path / "store")
    with pytest.raises(LeaseHeld, match=r"run job-1 works on loop mine, which has the picture\. Wait for its end"):
        forget(store, open_registry(settings, store), sha, apply=True)
    store.put(f"loops/{LOOP}/lease.clock", b"")
    assert everything(tmp_path / "store") == before


def test_what_was_forgotten_is_refused_when_it_is_imported_again(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, shade in (("a", "green"), ("b", "blue")):
        (folder / f"{name}.png").write_bytes(tiny.png(shade))
    rows = [
        {"id": n, "question": f"what is {n}?", "answer": "cube", "image": f"{n}.png", "verifiers": ["exact"]}
        for n in "ab"
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    sha, _ = picture(tiny.png("green"))
    store.put(f"forgotten/{sha}.json", b"{}")
    report = import_prompts(str(folder), store, ImportOptions(name="mine"))
    assert report.rejected == {"forgotten": 1}
    parts = [row for uri in report.set.parts.values() for row in Artifact.open(store, uri, PROMPTS).rows()]
    assert [row.images[0].sha256 for row in parts] == [canonical.sha256(tiny.png("blue"))]


def test_the_command_takes_a_file_or_a_hash_and_says_what_it_would_do(
    settings: Settings, store: Store, ticket: Ticket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    finish("job-1", LOOP, settings)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    prompts, packs = drawn(store, ticket)
    file = tmp_path / "seen.png"
    file.write_bytes(ImageBank(store, packs).bytes(prompts[0].images[0].sha256))  # type: ignore[arg-type]
    said = CliRunner().invoke(app, ["forget", "--image", str(file)])
    assert said.exit_code == 0, said.output
    assert "to take out: " in said.output
    assert "exports, and copies outside of the store, are yours to find" in said.output
    done = json.loads(
        CliRunner().invoke(app, ["forget", "--image", prompts[0].images[0].sha256, "--apply", "--json"]).output
    )
    assert done["applied"]
    assert len(list(drawn(store, ticket)[0])) == 1
    bad = CliRunner().invoke(app, ["forget", "--image", "photo"])
    assert isinstance(bad.exception, RatchetError)
    assert "'photo' is no SHA-256" in str(bad.exception)
