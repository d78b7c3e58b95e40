"""Published benchmarks: each reads its real files and has its own prompt, extraction and metric."""

from ratchet.evaluate.suites.base import (
    ITEMS,
    Asked,
    Drawing,
    FileProblem,
    Item,
    Judged,
    Mark,
    Marked,
    Question,
    Suite,
    SuiteFigures,
)
from ratchet.evaluate.suites.catalogue import SUITES, suite
from ratchet.evaluate.suites.folder import Folder, open_folder

__all__ = [
    "ITEMS",
    "SUITES",
    "Asked",
    "Drawing",
    "FileProblem",
    "Folder",
    "Item",
    "Judged",
    "Mark",
    "Marked",
    "Question",
    "Suite",
    "SuiteFigures",
    "open_folder",
    "suite",
]
