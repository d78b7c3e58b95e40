"""Where the sandbox works, what it costs to be sure, and what it says where it cannot be set up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyseccomp
import pytest
import resvg_py

from ratchet import errors
from ratchet.errors import VerifierUnavailable
from ratchet.verify import sandbox
from ratchet.verify.sandbox import Limits, Sandbox, box
from ratchet.verify.sandbox.box import LANGUAGES

SVG = "<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'>{}</svg>"
TRY = """
from ratchet.verify.sandbox import Sandbox
with Sandbox() as box:
    print(box.run("python", "canvas.rectangle(0, 0, 5, 5, 'red')", 8, 8).reason)
    print(box.run("python", "open('/etc/passwd')", 8, 8).reason)
"""


@pytest.fixture(scope="module")
def locked() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def python_for_all() -> str:
    """An interpreter that every user may start."""
    own = Path(sys.executable).resolve()
    return str(own) if all(folder.stat().st_mode & 0o001 for folder in own.parents) else "/usr/bin/python3"


@pytest.fixture
def readable() -> Iterator[Path]:
    """The sandbox alone with what it needs, where everybody may read."""
    folder = Path(tempfile.mkdtemp())
    try:
        package = folder / "ratchet" / "verify"
        shutil.copytree(
            Path(sandbox.__file__).parent, package / "sandbox", ignore=shutil.ignore_patterns("__pycache__")
        )
        (folder / "ratchet" / "__init__.py").touch()
        (package / "__init__.py").touch()
        shutil.copy(errors.__file__, folder / "ratchet" / "errors.py")
        shutil.copy(pyseccomp.__file__, folder)
        shutil.copytree(Path(resvg_py.__file__).parent, folder / "resvg_py")
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("user", [0, 65534])
def test_it_needs_no_privilege_as_in_a_restricted_pod(readable: Path, user: int) -> None:
    """No capability, no new privileges, as root and as nobody: what Pod Security "restricted" leaves a container."""
    drop = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--clear-groups"]
    who = [f"--reuid={user}", f"--regid={user}"]
    done = subprocess.run(
        [*drop, *who, python_for_all(), "-s", "-S", "-c", TRY],
        env={"PYTHONPATH": str(readable)},
        cwd=readable,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["ok", "refused"], done.stderr


def test_where_there_is_no_linux_no_program_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with Sandbox() as made, pytest.raises(VerifierUnavailable, match=r"darwin.*Linux .*`words`"):
        made.run("python", "1", 8, 8)


def test_without_the_library_that_locks_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "_NEEDED", ("no_such_library",))
    with Sandbox() as made, pytest.raises(VerifierUnavailable, match="no_such_library is not installed"):
        made.run("python", "1", 8, 8)


def test_a_process_that_cannot_start_is_told_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "_NEEDED", ("resvg_py",))
    monkeypatch.setattr(box, "_folders", list)
    with Sandbox() as made, pytest.raises(VerifierUnavailable, match=r"does not start .*No module named 'pyseccomp'"):
        made.run("python", "1", 8, 8)


def test_a_machine_that_does_not_refuse_the_forbidden_call_runs_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(sandbox.__file__).parent
    for name in ("warm.py", "languages.py"):
        shutil.copy(own / name, tmp_path)
    (tmp_path / "confine.py").write_text("def die_with_parent(): ...\ndef lock(*_): ...\n")
    monkeypatch.setattr(box, "_SCRIPT", tmp_path / "warm.py")
    with Sandbox() as made, pytest.raises(VerifierUnavailable, match=r"cannot lock them in: .* ended with ok"):
        made.run("python", "1", 8, 8)


def test_a_process_that_cannot_lock_itself_in_runs_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path(sandbox.__file__).parent
    for name in ("warm.py", "languages.py"):
        shutil.copy(own / name, tmp_path)
    (tmp_path / "confine.py").write_text("def die_with_parent(): ...\ndef lock(*_): raise OSError(1, 'no seccomp')\n")
    monkeypatch.setattr(box, "_SCRIPT", tmp_path / "warm.py")
    with Sandbox() as made, pytest.raises(VerifierUnavailable, match=r"exit code 20"):
        made.run("python", "1", 8, 8)


def test_only_its_languages_are_run(locked: Sandbox) -> None:
    with pytest.raises(
        VerifierUnavailable, match=f"no language 'sh' in the sandbox; there are: {', '.join(LANGUAGES)}"
    ):
        locked.run("sh", "true", 8, 8)


def test_an_svg_is_drawn_in_the_size_that_is_asked_for(locked: Sandbox) -> None:
    outcome = locked.run("svg", SVG.format("<rect width='8' height='8' fill='red'/>"), 8, 8)
    assert outcome.reason == "ok"
    assert outcome.output.startswith(b"\x89PNG")


HOSTILE_SVG = {
    "a file": SVG.format("<image href='/etc/passwd' width='8' height='8'/>"),
    "a file beside": SVG.format("<image href='picture.png' width='8' height='8'/>"),
    "no markup": "canvas.line(0, 0, 1, 1)",
    "cut": "<svg",
    "nested too deeply": SVG.format("<g>" * 100_000 + "</g>" * 100_000),
    "entities of entities": "<!DOCTYPE svg ["
    + "<!ENTITY a0 'aaaaaaaaaa'>"
    + "".join(f"<!ENTITY a{n + 1} '{f'&a{n};' * 10}'>" for n in range(9))
    + "]>"
    + SVG.format("<text>&a9;</text>"),
    "a use of itself": SVG.format("<g id='a'><use href='#a'/></g>"),
    "a hundred million circles": SVG.format(
        "<g id='a0'><rect width='1' height='1'/></g>"
        + "".join(
            f"<g id='a{n + 1}'>{f'<use href=#a{n} />' * 10}</g>".replace("#a", "'#a").replace(" />", "'/>")
            for n in range(8)
        )
        + "<use href='#a8'/>"
    ),
    "an immense filter": SVG.format(
        "<filter id='f' width='100000' height='100000'><feGaussianBlur stdDeviation='9999'/></filter>"
        "<rect width='9999999' height='9999999' filter='url(#f)'/>"
    ),
}


@pytest.mark.parametrize("program", HOSTILE_SVG.values(), ids=HOSTILE_SVG)
def test_a_hostile_svg_is_contained(locked: Sandbox, program: str) -> None:
    outcome = locked.run("svg", program, 8, 8)
    assert outcome.reason in {"ok", "refused", "raised", "crash", "memory", "timeout"}
    assert len(outcome.output) < 1000
    assert locked.run("svg", SVG.format("<rect width='8' height='8' fill='red'/>"), 8, 8).reason == "ok"


@pytest.mark.parametrize("name", ["a file", "a file beside"])
def test_an_svg_that_names_a_file_does_not_get_it(locked: Sandbox, name: str) -> None:
    assert locked.run("svg", HOSTILE_SVG[name], 8, 8).reason == "refused"


def test_more_room_is_given_where_the_limits_say_so() -> None:
    with Sandbox(Limits(memory_bytes=1 << 30)) as roomy:
        assert roomy.run("python", "x = bytearray(400_000_000)", 8, 8).reason == "ok"
