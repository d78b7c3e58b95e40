"""Rules of the house that a machine can check: imports, the README's tables, what is packaged."""

from __future__ import annotations

import ast
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
BELOW_STAGES = ("records", "artifacts", "store", "recipe")
STAGE_PACKAGES = ("begin", "generate", "verify", "filter", "train", "evaluate", "registry", "report", "finish")
SLOW_TO_START = ("numpy", "pyarrow", "PIL", "pydantic", "ratchet.recipe", "ratchet.records")
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


def test_a_recipe_is_read_without_the_libraries_that_do_its_work() -> None:
    code = "import sys; from ratchet import recipe; recipe.load(recipe.names()[0]); print({'numpy', 'PIL'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


def test_the_command_line_starts_without_what_only_some_commands_need() -> None:
    code = f"import sys, ratchet.cli.app; print([m for m in {SLOW_TO_START!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def imported(path: Path) -> set[str]:
    """The parts of the package that a file imports, at its top or in a function: `recipe` for `ratchet.recipe.train`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("ratchet.")}


@pytest.mark.parametrize("layer", BELOW_STAGES)
def test_what_the_stages_are_built_on_imports_no_stage(layer: str) -> None:
    files = [ROOT / "ratchet" / f"{layer}.py"] if layer == "records" else sources(f"ratchet/{layer}")
    assert files
    known = {str(p.relative_to(ROOT)): imported(p) & {*STAGE_PACKAGES, "stage", "cli"} for p in files}
    assert {name: parts for name, parts in known.items() if parts} == {}


def test_only_the_command_line_imports_the_command_line() -> None:
    knowing = [str(p.relative_to(ROOT)) for p in sources("ratchet") if "cli" in imported(p)]
    assert {name for name in knowing if not name.startswith("ratchet/cli/")} == set()
    assert knowing


def test_the_layers_name_every_stage() -> None:
    # promote is the registry's.
    assert {*STAGES} - {"promote"} <= {*STAGE_PACKAGES}
    assert all((ROOT / "ratchet" / name).is_dir() for name in STAGE_PACKAGES)


def test_only_the_named_files_know_kfp() -> None:
    knowing = [p for p in sources("ratchet") if re.search(r"^\s*(from|import) kfp", p.read_text(), re.M)]
    folders = {str(p.parent.relative_to(ROOT)) for p in knowing}
    assert folders == {"ratchet/platform", "ratchet/services/fake_pipelines"}


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
