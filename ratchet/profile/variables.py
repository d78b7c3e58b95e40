"""What a profile may say openly. It is compiled into the pipeline, which everybody who sees the UI can read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SECRET_WORDS = frozenset(
    {"KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIALS", "AUTH"}
)
"""A variable with one of these words in its name holds a secret, or is named to be taken for one."""
_LEADS_THERE = ("FILE", "PATH", "DIR", "URL", "ENDPOINT", "NAME")
"""Last words of variables that say where a secret is, and not what it is."""
_VALUES = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@"  # user and password in an address
    r"|-----BEGIN "
    r"|\b(AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\b(hf_|gh[pousr]_|glpat-|sk-|xox[abprs]-)[A-Za-z0-9_-]{16,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\."
)


def check_public(environment: Mapping[str, str], where: str = "environment") -> None:
    """Raise ValueError, without the value, where a variable holds what looks like a secret."""
    for name, value in environment.items():
        words = name.upper().split("_")
        if (SECRET_WORDS & {*words} and words[-1] not in _LEADS_THERE) or _VALUES.search(value):
            raise ValueError(
                f"{where} sets {name} openly, and its name or value is a secret's; everybody who opens the pipeline would read it. "
                f"Keep it in a Secret of the namespace and set secrets: {{NAME: {{KEY: {name}}}}}"
            )


def check_once(sources: Mapping[str, Iterable[str]]) -> None:
    """Raise ValueError for a variable that two sources set: which of them wins is the platform's to say."""
    seen: dict[str, str] = {}
    for source, names in sources.items():
        for name in names:
            if name in seen:
                raise ValueError(f"the variable {name} is given twice, by {seen[name]} and by {source}; give it once")
            seen[name] = source
