"""lmms-eval's own task functions, to score the same predictions with theirs and with ours.

    theirs = crosscheck.task("pope")            # lmms_eval/tasks/pope/utils.py
    theirs.pope_process_results(row, ["yes"])

lmms-eval is installed without what it depends on, and its packages import nearly all of that in their `__init__`. So these
are left out: its modules are found by their path, and what is not installed is stood in for. A stand-in may be imported,
named and called while a module loads; called later it raises, because no score may come from it; but for loguru, which keeps quiet.
Each load is a fresh module (some tasks keep sums in globals), and `sys.modules` is afterwards as it was.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

OWN = "lmms_eval"
SILENT = ("loguru",)
NEVER = ("accelerate", "datasets", "openai", "torch", "transformers")
"""Stood in for even where they are installed: they take seconds to load or want a key, and no metric needs them."""


class StandIn(ModuleType):
    """A module that is not installed, or anything in it."""

    __path__: list[str] = []
    loading = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self.__name__}.{name}")

    def __call__(self, *args: object, **kwargs: object) -> Any:
        if not StandIn.loading and not self.__name__.startswith(SILENT):
            raise AssertionError(f"{self.__name__} is not installed: what lmms-eval computes with it cannot be checked")
        # As a decorator it leaves the function as it is.
        return args[0] if len(args) == 1 and callable(args[0]) and not isinstance(args[0], StandIn) else self

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return ()


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for the named modules; with no names for each that lmms-eval itself asks for and nobody else found."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        top = name.partition(".")[0]
        wanted = top in self.names if self.names else top != OWN and _asker().partition(".")[0] == OWN
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if wanted else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


def _asker() -> str:
    """The name of the module whose import statement is being run. Others try optional packages, and do without them."""
    frame = sys._getframe(1)
    while frame.f_back and ("importlib" in frame.f_code.co_filename or frame.f_code.co_filename == __file__):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def folder() -> Path:
    """Where lmms-eval lies. Skips the test where it is not installed."""
    found = importlib.util.find_spec(OWN)
    if found is None or not found.submodule_search_locations:
        pytest.skip("lmms-eval is not installed (requirements/crosscheck.txt); `make dev` installs it")
    return Path(found.submodule_search_locations[0])


@contextmanager
def standing_in() -> Iterator[None]:
    """Within this `import lmms_eval.tasks....` works; for task functions that import when they are called."""
    root = folder()
    before = dict(sys.modules)
    for name in [name for name in sys.modules if name.partition(".")[0] in (OWN, *SILENT, *NEVER)]:
        del sys.modules[name]
    for name in (OWN, f"{OWN}.tasks"):
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    finders = _Absent(*SILENT, *NEVER), _Absent()
    sys.meta_path.insert(0, finders[0])
    sys.meta_path.append(finders[1])
    try:
        yield
    finally:
        for finder in finders:
            sys.meta_path.remove(finder)
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] == OWN or isinstance(module, StandIn):
                del sys.modules[name]
        sys.modules.update({name: module for name, module in before.items() if name not in sys.modules})


def module(dotted: str) -> Any:
    """A module of lmms-eval by what follows `lmms_eval.`: "api.metrics", "tasks.mmmu.utils"."""
    with standing_in(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        StandIn.loading = True
        try:
            return importlib.import_module(f"{OWN}.{dotted}")
        finally:
            StandIn.loading = False


def task(name: str, file: str = "utils") -> Any:
    """The functions of a task: `lmms_eval/tasks/<name>/<file>.py`."""
    return module(f"tasks.{name}.{file}")


def prompts(name: str, file: str) -> dict[str, str]:
    """What `doc_to_text` is given by default, as a task's YAML says."""
    text = (folder() / "tasks" / name / file).read_text(encoding="utf-8")
    found: dict[str, str] = yaml.load(text, _Settings)["lmms_eval_specific_kwargs"]["default"]
    return found


class _Settings(yaml.SafeLoader):
    """Without the functions that a task's YAML names."""


_Settings.add_constructor("!function", lambda loader, node: None)
