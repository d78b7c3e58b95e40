"""Make a prompt set from somebody's files: every row becomes a prompt or a reject with a reason, none is lost."""

from ratchet.importing.options import ImportOptions, ImportReport, Reject
from ratchet.importing.run import import_prompts

__all__ = ["ImportOptions", "ImportReport", "Reject", "import_prompts"]
