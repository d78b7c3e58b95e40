"""Tables that a recipe holds itself or names as a file; a resolved recipe holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator

MOST_BYTES = 1 << 20


def _read(value: Any) -> Any:
    """The table of a YAML or JSON file, where its path is given. Raises ValueError where there is none."""
    if not isinstance(value, str):
        return value
    path = Path(value)
    if not path.is_file():
        raise ValueError(f"there is no file {value!r} with the table; give its path, or the table itself")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{value!r} has more than {MOST_BYTES} bytes, which is no table of names")
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{value!r} is no YAML: {error}") from error


Synonyms = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_read)]
"""Name to its synonyms."""
