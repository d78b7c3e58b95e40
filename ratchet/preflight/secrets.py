"""Words of servers and libraries, without what the environment keeps secret."""

from __future__ import annotations

from ratchet.preflight.context import Context
from ratchet.settings import without_login
from ratchet.train.launchers.logs import LEAST_SECRET, redacted


def without_secrets(words: str, context: Context) -> str:
    """The words without values of secret variables: those whose names say so, and all that the profile takes from secrets."""
    profile = context.profile
    named = {v for keys in profile.secrets.values() for v in keys.values()} if profile is not None else set()
    for name in sorted(named):
        value = context.environment.get(name, "")
        if len(value) >= LEAST_SECRET:
            words = words.replace(value, "***")
    return redacted(without_login(words), context.environment)
