"""The command line: exit codes, JSON for machines, and what a newcomer's mistakes are answered with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ratchet
from ratchet import errors as tree
from ratchet import recipe as recipes
from ratchet.cli import app as cli
from ratchet.errors import RatchetError
from ratchet.finish import finish
from ratchet.settings import Settings
from ratchet.stage import STAGES
from ratchet.store import open_store
from tests.program import Ratchet, program
from tests.unit.importing.samples import picture_folder, png, tar_file
from tests.unit.loops import LOOP, RECIPE, leave_all, new_loop, opened

ERRORS = [e for e in vars(tree).values() if isinstance(e, type) and issubclass(e, RatchetError)]


@pytest.fixture
def ratchet_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ratchet:
    """The program as a shell starts it: exit code, output, errors."""
    return program(monkeypatch, capsys)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = new_loop(tmp_path)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_an_error_ends_with_its_name_its_words_and_its_code(
    error: type[RatchetError], ratchet_: Ratchet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error("what it is [3/3], and what to do")

    monkeypatch.setattr(cli, "app", fail)
    code, out, err = ratchet_()
    assert (code, out) == (error.exit_code, "")
    assert err == f"{error.__name__} what it is [3/3], and what to do"


def test_the_codes_are_those_that_the_help_names() -> None:
    result = CliRunner().invoke(cli.app, ["--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for code in {e.exit_code for e in ERRORS} - {1}:
        assert f"{code} " in result.output


def test_an_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    # A command that waits, inside of typer, which would swallow a KeyboardInterrupt without a word.
    code = (
        "import time; from ratchet.cli import app as cli\n"
        "@cli.app.command()\n"
        "def nap() -> None: print('asleep', flush=True); time.sleep(60)\n"
        "cli.main()"
    )
    # A shell starts its background jobs, and so perhaps us, with interrupts ignored.
    child = subprocess.Popen(
        [sys.executable, "-c", code, "nap"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "asleep\n"
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=120)
    assert child.returncode == 130
    assert "`ratchet resume --loop LOOP` goes on" in " ".join(err.split())


def test_without_a_root_a_newcomer_is_told_what_to_set(ratchet_: Ratchet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RATCHET_ROOT", "RATCHET_REGISTRY", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    code, _, err = ratchet_("status")
    assert code == 1
    assert "RATCHET_ROOT is not set" in err
    assert "`--embedded FOLDER`" in err


def test_the_list_of_recipes_finds_those_that_mention_a_word(ratchet_: Ratchet) -> None:
    _, out, _ = ratchet_("recipe", "list", "--with", "mask_answer")
    assert [line.split()[0] for line in out.splitlines()] == ["bdhs"]
    _, out, _ = ratchet_("recipe", "list", "--with", "zzz")
    assert "no recipe mentions 'zzz'" in out


def test_an_unknown_recipe_is_answered_with_those_there_are(ratchet_: Ratchet, settings: Settings) -> None:
    code, _, err = ratchet_("run", "--loop", LOOP, "--recipe", "rtf")
    assert code == 2
    assert "no recipe 'rtf'; did you mean rft? Shipped: " in err
    assert "dpo, " in err
    assert "; or give a path to a YAML file." in err


def test_a_loop_without_champion_is_answered_with_the_command_that_gives_one(
    ratchet_: Ratchet, settings: Settings
) -> None:
    for command in ("run", "begin"):
        code, _, err = ratchet_(command, "--loop", "other")
        assert code == 9
        assert "loop other has no champion to start from" in err
        assert "`ratchet init --loop other --seed MODEL`" in err


@pytest.mark.parametrize("command", [["resume"], ["generate"], ["cancel"], ["train", "--json"]])
def test_a_loop_without_rounds_is_an_error_of_the_round(
    ratchet_: Ratchet, settings: Settings, command: list[str]
) -> None:
    code, _, err = ratchet_(*command, "--loop", LOOP)
    assert code == 9
    assert "`ratchet" in err


def test_usage_errors_end_with_two(ratchet_: Ratchet) -> None:
    assert ratchet_("run", "--rounds", "0")[0] == 2
    assert ratchet_("no-such-command")[0] == 2


def test_every_stage_is_a_command_with_an_example() -> None:
    for stage in STAGES:
        result = CliRunner().invoke(cli.app, [stage, "--help"], env={"COLUMNS": "200"})
        assert result.exit_code == 0
        assert f"Example: ratchet {stage}" in result.output


def test_the_version_is_printed(ratchet_: Ratchet) -> None:
    assert ratchet_("--version")[1].strip() == f"ratchet {ratchet.__version__}"


def test_what_is_asked_for_as_json_is_json(ratchet_: Ratchet, settings: Settings) -> None:
    code, out, _ = ratchet_("begin", "--loop", LOOP, "--recipe", RECIPE, "--job", "job-1")
    ticket = json.loads(out)
    assert (code, ticket["number"], ticket["job"]) == (0, 1, "job-1")
    leave_all(open_store(settings.root), opened(settings))
    code, out, _ = ratchet_("finish", "--loop", LOOP, "--job", "job-1")
    assert (code, json.loads(out)["state"]) == (0, "REFUSED")
    one = json.loads(ratchet_("status", "--loop", LOOP, "--json")[1])
    assert (one["loop"], one["rounds"][0]["state"]) == (LOOP, "REFUSED")
    assert json.loads(ratchet_("status", "--json")[1]) == [one]
    listed = json.loads(ratchet_("recipe", "list", "--json")[1])
    assert [r["name"] for r in listed] == recipes.names()
    assert {"strategies": ["random"], "negatives": [], "trains_by": "sft"}.items() <= next(
        r for r in listed if r["name"] == "rft"
    ).items()
    assert json.loads(ratchet_("recipe", "show", "rft", "--json")[1])["name"] == "rft"


def test_status_shows_a_table(ratchet_: Ratchet, settings: Settings) -> None:
    leave_all(open_store(settings.root), opened(settings))
    running = ratchet_("status")[1]
    assert "champion: version 1" in running
    assert "RUNNING" in running
    assert "held by run job-1 until" in running
    finish("job-1", LOOP, settings)
    ended = ratchet_("status", "--loop", LOOP)[1]
    assert "REFUSED" in ended
    assert "held by" not in ended


def test_a_place_without_loops_says_how_to_make_one(
    ratchet_: Ratchet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATCHET_ROOT", str(tmp_path))
    monkeypatch.setenv("RATCHET_REGISTRY", "store")
    assert "no loop here yet; `ratchet init --loop NAME --seed MODEL`" in ratchet_("status")[1]


def test_recipes_are_checked_against_a_profile(ratchet_: Ratchet, tmp_path: Path) -> None:
    assert ratchet_("recipe", "check", "rft")[0] == 0
    file = tmp_path / "cluster.yaml"
    file.write_text("{name: cluster, methods: [dpo]}")
    code, _, err = ratchet_("recipe", "check", "rft", "--profile", str(file))
    assert code == 2
    assert "profile cluster allows dpo" in err
    shown = ratchet_("recipe", "show", "rft")[1]
    mine = tmp_path / "mine.yaml"
    mine.write_text(shown)
    assert ratchet_("recipe", "check", str(mine))[0] == 0


def test_a_cancelled_round_is_said(ratchet_: Ratchet, settings: Settings) -> None:
    opened(settings)
    code, out, _ = ratchet_("cancel", "--loop", LOOP, "--why", "wrong recipe")
    assert (code, out.splitlines()[0]) == (0, "FAILED: cancelled: wrong recipe")
    assert f"`ratchet loop pause --loop {LOOP}` keeps every other round from starting" in out


def test_a_pool_of_pictures_is_imported_and_its_use_is_told(
    ratchet_: Ratchet, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture_folder(tmp_path / "photos", {f"a/{n}.png": png(n) for n in range(3)})
    code, out, _ = ratchet_("import", "photos", "--pictures", "--ask", "What is odd?", "--licence", "CC0-1.0")
    assert code == 0
    assert "rows read 3 = accepted 3 + rejected 0" in out
    assert "use it in a recipe: prompts: {pictures: photos}" in out
    tar_file(tmp_path / "pool-00.tar", [("0.png", png(7))])
    told = json.loads(ratchet_("import", "pool-{00..00}.tar", "--pictures", "--json")[1])
    assert (told["set"]["name"], told["set"]["rows"]["pool"], told["skills"]) == ("pool", 1, {"picture": 1})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["photos"], "import them without questions with --pictures"),
        (
            ["photos", "--ask", "What?"],
            "ask is the question of pictures that have none; it needs pictures (--pictures)",
        ),
        (["photos", "--pictures", "--verifier", "exact"], "verifiers need answers to check"),
        (["nowhere", "--pictures"], "nothing to import at nowhere: give a file, a folder"),
    ],
)
def test_mistakes_with_pools_are_answered_with_what_to_do(
    ratchet_: Ratchet,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    picture_folder(tmp_path / "photos", {"0.png": png(0)})
    code, _, err = ratchet_("import", *arguments)
    assert code != 0
    assert said in err
    assert "Value error" not in err
