"""Two versions side by side: which outcomes are used, what is refused, and what is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ratchet import models, rounds
from ratchet.artifacts import ArtifactWriter, Header, ModelRef
from ratchet.errors import ArtifactError, ModelError, RegistryError, RoundError
from ratchet.evaluate import OUTCOMES, Outcome
from ratchet.promptset import PromptSet, find, open_part
from ratchet.registry.base import ROUND, Lineage
from ratchet.registry.looks import Looks
from ratchet.registry.store_registry import StoreRegistry
from ratchet.rounds import write_round
from ratchet.settings import Settings
from ratchet.store import FolderStore, Store
from ratchet.versions import Wanted, compare
from ratchet.versions.naming import named
from ratchet.versions.page import render
from ratchet.versions.result import counted, lines_of
from ratchet.versions.showing import headline
from tests import tiny
from tests.fenced import Fenced
from tests.program import program
from tests.unit.registry.rows import outcome

LOOP = "tiny"
HOSTILE = "</bdi><script>window.hacked=1</script>\x1b[2J"


def ref(name: str, version: str) -> ModelRef:
    return ModelRef(name=LOOP, version=version, uri=f"s3://b/{name}", digest=name.encode().hex().ljust(64, "0"))


def register(store: Store, name: str, uri: str, digest: str) -> str:
    made = StoreRegistry(store).register(LOOP, uri, digest, Lineage(tags={ROUND: name}))
    return made.version


def rows_for(prompts: PromptSet, store: Store, role: str, right: set[int]) -> list[Outcome]:
    found = enumerate(open_part(store, prompts, "holdout").rows())
    return [
        outcome(0, role, n in right, prompt_id=p.id, split_key=p.split_key, skill=p.skill, text=f"{role} {HOSTILE if n < 3 else n}")
        for n, p in found
    ]  # fmt: skip


Answered = tuple[ModelRef, set[int]]
"""A model, and the numbers of the items that it got right."""


def leave(
    store: Store,
    number: int,
    prompts: PromptSet,
    champion: Answered,
    candidate: Answered,
    more=(),
    suites=None,
    **recipe,
):
    """A round whose evaluate artifact says who was right on which of the holdout's items."""
    opened = tiny.opened_round(store, champion[0], prompts, {"prompts": {"source": prompts.name}, **recipe})
    opened = opened.model_copy(update={"number": number})
    write_round(store, opened)
    header = Header(stage="evaluate", key="k", loop=LOOP, round=number)
    writer = ArtifactWriter(store, f"{opened.prefix}/evaluate-{'0' * 12}", OUTCOMES, header)
    rows = [
        *rows_for(prompts, store, "champion", champion[1]),
        *rows_for(prompts, store, "candidate", candidate[1]),
        *more,
    ]
    writer.write(0, rows)
    roles = {"champion": champion[0].model_dump(), "candidate": candidate[0].model_dump()}
    return writer.commit(results={"models": roles, "suites": suites or {}})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=str(tmp_path / "store"), registry="store")


@pytest.fixture
def store(settings: Settings) -> FolderStore:
    return FolderStore(settings.root)


@pytest.fixture
def loop(store: Store) -> PromptSet:
    """Version 1 is the seed, 2 round 1's candidate, 3 round 2's, which began from 2; the holdout is the same."""
    prompts = tiny.prompt_set(store, validation=9, holdout=9, report=9)
    seed, second, third = ref("seed", "1"), ref("second", "2"), ref("third", "3")
    for number, one in enumerate((seed, second, third)):
        assert register(store, str(number), one.uri, one.digest) == str(number + 1)
    StoreRegistry(store).set_champion(LOOP, "2", expected=None)
    leave(store, 1, prompts, (seed, {0, 1, 2}), (second, {0, 1, 3, 4, 5}))
    leave(store, 2, prompts, (second, {0, 1, 3, 4, 5}), (third, {0, 7, 8}))
    return prompts


def test_what_one_round_measured_is_compared_as_stored(settings, store, loop):
    found = compare(settings, Wanted("tiny/1", "models:/tiny@champion"))
    assert (found.stored, found.split, found.a, found.b) == (True, "holdout", "tiny version 1", "tiny version 2")
    first = found.lines[0]
    assert (first.name, first.n, first.a, first.b) == ("accuracy", 9, pytest.approx(3 / 9), pytest.approx(5 / 9))
    assert first.delta is not None
    assert first.delta.delta == pytest.approx(2 / 9)
    assert found.counts == {"wrong to right": 3, "right to wrong": 1, "both right": 2, "both wrong": 3}
    assert {flip.kind for flip in found.flips} == {"wrong to right", "right to wrong"}
    assert all(flip.question and flip.pictures for flip in found.flips)
    assert Looks(store, loop.family).next_number() == 1, "nothing was looked at anew"


def test_versions_of_different_rounds_are_compared_where_the_holdout_is_the_same(settings, loop):
    found = compare(settings, Wanted("1", "3", LOOP, on="stored"))
    assert (found.stored, found.lines[0].b) == (True, pytest.approx(3 / 9))
    assert "rounds 1 and 2" in found.where


def test_a_version_beside_itself_has_no_difference(settings, loop):
    found = compare(settings, Wanted("tiny/2", "tiny/2"))
    assert found.lines[0].delta is not None
    assert found.lines[0].delta.delta == 0
    assert found.flips == ()


def test_stored_outcomes_of_other_items_are_refused_with_both_digests(settings, store, loop):
    other = tiny.prompt_set(store, digest="b" * 64, validation=9, holdout=8)
    fourth = ref("fourth", "4")
    register(store, "9", fourth.uri, fourth.digest)
    leave(store, 3, other, (ref("third", "3"), {1}), (fourth, {1, 2}))
    items = [find(store, one.digest) for one in (loop, other)]
    digests = [open_part(store, one, "holdout").manifest.content_digest[:12] for one in items if one]
    with pytest.raises(RoundError, match="was measured on other items") as told:
        compare(settings, Wanted("tiny/1", "tiny/4", on="stored"))
    assert all(one in str(told.value) for one in digests)
    assert "--on validation" in str(told.value)


def test_other_settings_of_asking_are_not_the_same_items_either(settings, store, loop):
    fifth = ref("fifth", "4")
    register(store, "9", fifth.uri, fifth.digest)
    leave(store, 3, loop, (ref("third", "3"), {1}), (fifth, {1}), evaluate={"max_new_tokens": 5})
    with pytest.raises(RoundError, match="asked with other settings"):
        compare(settings, Wanted("tiny/1", "tiny/4", on="stored"))


@pytest.mark.parametrize(
    ("wanted", "error", "said"),
    [
        (Wanted("tiny/1", "tiny/2", on="report"), RoundError, "the report split is read once"),
        (Wanted("tiny/1", "tiny/2", on="holdout"), RoundError, "Add --spend-look"),
        (Wanted("tiny/1", "tiny/9"), RegistryError, "has no version"),
        (Wanted("tiny/1", "nowhere"), ModelError, "'nowhere' names no model"),
        (Wanted("tiny/1", "tiny@best"), ModelError, "only the alias champion"),
        (Wanted("tiny/1", "other@champion"), ModelError, "other has no champion"),
    ],
)
def test_what_cannot_be_compared_is_said_with_the_next_step(settings, loop, wanted, error, said):
    with pytest.raises(error, match=said):
        compare(settings, wanted)


def test_suites_are_paired_by_item_and_left_out_where_their_files_differ(settings, store, loop):
    def suite(name: str, role: str, right: bool) -> Outcome:
        return outcome(5, role, right, suite=name, item="q1")

    more = [suite(n, r, r == "candidate") for n in ("pope", "mme") for r in ("champion", "candidate")]
    same = {"pope": {"digest": "x", "judge": None}, "mme": {"digest": "y", "judge": None}}
    leave(store, 3, loop, (ref("second", "2"), {1}), (ref("third", "3"), {2}), more, same)
    found = compare(settings, Wanted("tiny/2", "tiny/3"))
    assert {one.name: (one.a, one.b, one.n) for one in found.lines if one.name.startswith("suite")} == {
        "suite: pope": (0.0, 1.0, 1),
        "suite: mme": (0.0, 1.0, 1),
    }
    sixth = ref("sixth", "4")
    register(store, "9", sixth.uri, sixth.digest)
    leave(store, 4, loop, (ref("seed", "1"), {1}), (sixth, {2}), more, {**same, "mme": {"digest": "z", "judge": None}})
    crossed = compare(settings, Wanted("tiny/3", "tiny/4"))
    assert [one.name for one in crossed.lines if one.name.startswith("suite")] == ["suite: pope"]
    assert any("Suite mme is left out" in note for note in crossed.notes)


def test_items_that_only_one_answered_are_no_comparison():
    with pytest.raises(ArtifactError, match="1 items were answered by one version only"):
        list(lines_of([outcome(1, "champion", True)], [outcome(1, "candidate", True), outcome(2, "candidate", True)]))


def test_unscored_items_are_left_out_of_both_and_counted():
    a = [outcome(1, "champion", True), outcome(2, "champion", None)]
    b = [outcome(1, "candidate", False), outcome(2, "candidate", True)]
    first = next(iter(lines_of(a, b)))
    assert (first.a, first.b, first.n) == (1.0, 0.0, 1)
    assert counted(a, b)[:2] == ({"wrong to right": 0, "right to wrong": 1, "both right": 0, "both wrong": 0}, 1)


def test_hostile_text_stays_text_on_the_page_and_in_the_terminal(settings, loop, monkeypatch, capsys, tmp_path):
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    html = render(compare(settings, Wanted("tiny/1", "tiny/2")))
    assert "<script" not in html
    assert "\x1b" not in html
    assert "data:image/png;base64," in html
    ratchet = program(monkeypatch, capsys)
    code, out, _ = ratchet("compare", "tiny/1", "tiny/2", "--html", str(tmp_path / "c.html"))
    assert code == 0
    assert "cannot be told from" in out
    assert "\x1b" not in out
    assert (tmp_path / "c.html").read_text() == html
    code, out, _ = ratchet("compare", "1", "2", "--loop", "tiny", "--json")
    assert (code, json.loads(out)["stored"]) == (0, True)
    assert ratchet("compare", "tiny/1", "tiny/2", "--on", "holdout")[0] == 9


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    made = tmp_path_factory.mktemp("models")
    return tiny.save_model(made / "one"), tiny.save_model(made / "two", seed=1)


def real(store: Store, folders: tuple[Path, Path]) -> PromptSet:
    """A round whose settings are small, and versions 1 and 2 that are real models."""
    prompts = tiny.prompt_set(store, validation=9, holdout=9, report=9)
    refs = [models.upload(store, folder, LOOP) for folder in folders]
    for number, one in enumerate(refs):
        register(store, str(number), one.uri, one.digest)
    config = {"max_new_tokens": 4, "batch_size": 16, "pass_at_k": {"k": 2, "prompts": 4}}
    opened = tiny.opened_round(store, refs[0], prompts, {"prompts": {"source": prompts.name}, "evaluate": config})
    write_round(store, opened)
    return prompts


def test_what_is_not_stored_is_measured_on_validation_and_kept(settings, store, folders, monkeypatch):
    real(store, folders)
    monkeypatch.setattr("ratchet.versions.comparing.open_store", lambda root: Fenced(root))
    seen: list[str] = []
    found = compare(settings, Wanted("tiny/1", "tiny/2"), seen.append)
    assert (found.stored, found.split, found.lines[0].n) == (False, "validation", 9)
    assert seen == ["tiny version 1 on 9 validation prompts", "tiny version 2 on 9 validation prompts"]
    assert found.notes == ("Measured now, for no round has measured tiny version 1.",)
    kept = [
        stat.uri for stat in store.list(f"{rounds.loop_prefix(LOOP)}/compared/") if stat.uri.endswith("manifest.json")
    ]
    assert len(kept) == 2
    monkeypatch.setattr("ratchet.versions.measuring.measure", lambda *_: pytest.fail("it is kept"))
    assert compare(settings, Wanted("tiny/1", "tiny/2", on="validation")).lines == found.lines


def test_a_look_at_the_holdout_is_on_the_ledger_before_anything_is_measured_and_once(
    settings, store, folders, monkeypatch
):
    prompts = real(store, folders)

    def stopped(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("ratchet.versions.measuring.measure", stopped)
        with pytest.raises(KeyboardInterrupt):
            compare(settings, Wanted("tiny/1", "tiny/2", on="holdout", spend_look=True))
    assert Looks(store, prompts.family).next_number() == 2
    found = compare(settings, Wanted("tiny/1", "tiny/2", on="holdout", spend_look=True))
    assert "This is look 1" in found.notes[0]
    assert Looks(store, prompts.family).next_number() == 2


def test_a_folder_is_compared_with_a_version(settings, store, folders):
    real(store, folders)
    found = compare(settings, Wanted(str(folders[0]), "tiny/1", on="validation"))
    assert found.a == "folder one"
    assert found.lines[0].delta is not None
    assert found.lines[0].delta.delta == 0
    assert headline(found).startswith("tiny version 1 cannot be told from folder one")
    with pytest.raises(RoundError, match="neither version belongs to a loop"):
        compare(settings, Wanted(str(folders[0]), str(folders[1])))


def test_the_champion_of_a_loop_and_a_number_are_names_with_the_loop_option(store, loop):
    registry = StoreRegistry(store)
    assert named("champion", store, registry, LOOP).label == "tiny version 2"
    assert named("3", store, registry, LOOP).label == "tiny version 3"
    with pytest.raises(ModelError, match="names no model"):
        named("3", store, registry)
