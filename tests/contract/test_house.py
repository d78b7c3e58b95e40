"""Rules of the house that a machine can check: imports, the README's tables, what is packaged."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from ratchet import recipe
from ratchet.cli.app import app
from ratchet.errors import RatchetError
from ratchet.stage import STAGES, STEPS

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "trl", "mlflow", "kfp", "boto3", "vllm", "sklearn")


def sources(*folders: str) -> list[Path]:
    return [p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize(
    "module", ["ratchet", "ratchet.recipe", "ratchet.records", "ratchet.artifacts", "ratchet.stage", "ratchet.cli.app"]
)
def test_importing_the_light_parts_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_only_the_named_files_know_kfp() -> None:
    knowing = [p for p in sources("ratchet") if re.search(r"^\s*(from|import) kfp", p.read_text(), re.M)]
    assert knowing == []


def test_no_file_passes_300_lines() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for p in sources("ratchet", "components", "pipelines")
        if (n := len(p.read_text().splitlines())) > 300
    }
    assert long == {}


def test_every_package_is_listed_for_the_wheel() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {".".join(p.parent.relative_to(ROOT).parts) for p in sources("ratchet") if p.name == "__init__.py"}
    for folder in ("components", "pipelines"):
        found |= {
            "ratchet." + ".".join(p.parent.relative_to(ROOT).parts) for p in sources(folder) if p.name == "__init__.py"
        }
    assert listed == found


def test_every_shipped_recipe_is_valid() -> None:
    assert recipe.names()
    for name in recipe.names():
        assert recipe.load(name).name == name


def test_the_stages_table_of_the_readme_names_every_stage_and_its_subcommand() -> None:
    table = re.findall(r"^\| (\w+) \| `ratchet (\w+)` \|", (ROOT / "README.md").read_text(), re.M)
    assert table == [(stage, stage) for stage in STAGES]
    assert set(STEPS) < set(STAGES)


def test_every_command_of_the_readme_exists_with_its_options() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for line in re.findall(r"ratchet ([a-z][^`\n#|]*)", (ROOT / "README.md").read_text()):
        words = line.split()
        if words[0] not in commands:
            continue
        command = commands[words[0]]
        if hasattr(command, "commands"):
            assert words[1] in command.commands, line
            command = command.commands[words[1]]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {w for w in words if w.startswith("-")} <= known, line


def test_every_command_has_help_and_an_example() -> None:
    def walk(command: object, path: str) -> None:
        for name, child in getattr(command, "commands", {}).items():
            walk(child, f"{path} {name}")
        if not hasattr(command, "commands"):
            assert command.help, path  # type: ignore[attr-defined]
            assert "Example: ratchet " in (command.epilog or ""), path  # type: ignore[attr-defined]

    walk(get_command(app), "ratchet")


def test_the_tree_in_the_errors_docstring_is_the_tree_of_classes() -> None:
    import ratchet.errors as errors

    drawn = re.findall(r"^[│├└─ ]*(\w+)", errors.__doc__ or "", re.M)
    classes = {n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, RatchetError)}
    assert classes <= set(drawn)


def test_nothing_of_this_machine_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "uv.lock" not in listed
    assert not [name for name in listed if name.endswith((".pipeline.yaml", ".bin", ".pt", ".pkl"))]
    for name in listed:
        if name.endswith((".py", ".md", ".yaml", ".lock", ".toml", ".in", "Makefile")):
            assert str(ROOT) not in (ROOT / name).read_text(), name
