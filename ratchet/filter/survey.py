"""The first pass: a compact record of every group, and from all of them together who is kept and why the rest is not."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ratchet.artifacts import GROUPS, ImageBank
from ratchet.artifacts.columns import paused_gc
from ratchet.filter import reasons
from ratchet.filter.fingerprints import Fence, fence_of, key_of, question_sha256
from ratchet.filter.near import NearIndex
from ratchet.filter.phash import Hashes
from ratchet.filter.settle import settle
from ratchet.filter.shares import draw_key, limit_shares
from ratchet.recipe import FilterConfig, VerifyConfig
from ratchet.records import Group, Prompt
from ratchet.stage import StageContext
from ratchet.verify.stage import slices

BANDS = ("0.0-0.2", "0.2-0.4", "0.4-0.6", "0.6-0.8", "0.8-1.0", "unknown")
"""Difficulty bands; the lower bound belongs to a band, the upper to the next, except at 1."""
_UNKNOWN_RATE = -1.0


class Survey:
    """About 30 bytes a group, and 100 more where exact duplicates are looked for."""

    def __init__(
        self, config: FilterConfig, verify: VerifyConfig, salt: str, fence: Fence | None, hashes: Hashes | None
    ) -> None:
        self._config, self._verify, self._salt = config, verify, salt
        self._fence, self._hashes = fence, hashes
        self._seen: set[bytes] = set()
        self._near = NearIndex(config.dedup_near_bits) if config.dedup_near_bits is not None else None
        self._skill_codes: dict[str, int] = {}
        # Groups that their strategy gave up bring a reason of their own.
        self._names = list(reasons.NAMES)
        self._reason_codes = dict(reasons.CODES)
        self._codes, self._bands = array("B"), array("B")
        self._skills, self._keys, self._rates = array("I"), array("Q"), array("d")

    def add(self, group: Group) -> None:
        """Look at the next group, in the order of the rows."""
        settled = settle(group, self._verify, self._config)
        reason = group.reason or settled.reason or self._known_reason(group.prompt)
        prompt = group.prompt
        self._codes.append(self._code(reason) if reason else 0)
        self._bands.append(band_of(prompt.difficulty))
        self._skills.append(self._skill_codes.setdefault(prompt.skill, len(self._skill_codes)))
        self._keys.append(draw_key(prompt.id, self._salt))
        self._rates.append(_UNKNOWN_RATE if settled.pass_rate is None else settled.pass_rate)

    def finish(self) -> Decisions:
        """All that can only be said at the end: caps and balance."""
        codes = np.frombuffer(self._codes, dtype=np.uint8)
        skills = np.frombuffer(self._skills, dtype=np.uint32)
        keys = np.frombuffer(self._keys, dtype=np.uint64)
        final = limit_shares(codes, skills, keys, self._config.per_skill, self._config.balance) if codes.size else codes
        return Decisions(
            final, skills, np.frombuffer(self._bands, dtype=np.uint8), self._rates, list(self._skill_codes), self._names
        )

    def _code(self, reason: str) -> int:
        if reason not in self._reason_codes:
            self._reason_codes[reason] = len(self._names)
            self._names.append(reason)
        return self._reason_codes[reason]

    def _known_reason(self, prompt: Prompt) -> str | None:
        """Duplicates of earlier rows first, then what is held out."""
        question = question_sha256(prompt)
        if self._config.dedup_exact:
            key = _content_key(prompt, question)
            if key in self._seen:
                return reasons.DUPLICATE
            self._seen.add(key)
        hashes = [self._hashes.of(image.sha256) for image in prompt.images] if self._hashes else []
        if self._near is not None:
            near_key = key_of(question, len(hashes))
            if self._near.has(near_key, hashes):
                return reasons.NEAR_DUPLICATE
            self._near.add(near_key, hashes)
        return self._fence.reason(prompt, question, hashes) if self._fence else None


class Decisions:
    """The fate of each row, by number: 0 in `codes` is kept, anything else a reason, whose name is in `names`."""

    def __init__(
        self,
        codes: Any,
        skills: Any,
        bands: Any,
        rates: Sequence[float],
        skill_names: Sequence[str],
        names: Sequence[str] = reasons.NAMES,
    ) -> None:
        self.codes, self._skills, self._bands = codes, skills, bands
        self._rates, self._skill_names, self.names = rates, skill_names, names

    @property
    def rows(self) -> int:
        return int(self.codes.size)

    @property
    def kept(self) -> int:
        return int((self.codes == 0).sum())

    def pass_rate(self, row: int) -> float | None:
        rate = self._rates[row]
        return None if rate == _UNKNOWN_RATE else rate

    def reasons(self) -> dict[str, int]:
        """Groups by reason of their drop."""
        found = np.bincount(self.codes, minlength=len(self.names))
        return {name: int(found[code]) for code, name in enumerate(self.names) if code and found[code]}

    def by_skill(self) -> dict[str, dict[str, int]]:
        return self._by(self._skills, self._skill_names)

    def by_band(self) -> dict[str, dict[str, int]]:
        return self._by(self._bands, BANDS)

    def _by(self, column: Any, names: Sequence[str]) -> dict[str, dict[str, int]]:
        """For each name that occurs: rows, kept, and drops by reason."""
        table = np.zeros((len(names), len(self.names)), dtype=np.int64)
        np.add.at(table, (column, self.codes), 1)
        return {
            names[i]: {"rows": int(table[i].sum())}
            | {n: int(table[i, c]) for c, n in enumerate(self.names) if c == 0 or table[i, c]}
            for i in sorted(range(len(names)), key=lambda i: names[i])
            if table[i].any()
        }


def band_of(difficulty: float | None) -> int:
    """Number of the difficulty's band in BANDS."""
    if difficulty is None:
        return len(BANDS) - 1
    return min(max(int(difficulty * 5), 0), 4)


def survey(context: StageContext) -> Decisions:
    """Read all groups once and decide."""
    config: FilterConfig = context.config
    parent = context.open("verify", GROUPS)
    near = config.dedup_near_bits is not None or (config.decontaminate and config.decontaminate_near_bits is not None)
    hashes = Hashes(ImageBank(context.store, parent.manifest.packs)) if near else None
    fence = fence_of(context.store, context.round, config.decontaminate_near_bits) if config.decontaminate else None
    found = Survey(config, context.round.recipe.verify, context.round.salt, fence, hashes)
    total, done = 2 * parent.manifest.rows, 0
    with context.clock("survey"):
        for table in parent.tables():
            for part in slices(table):
                with paused_gc():
                    for group in GROUPS.rows(part):
                        found.add(group)
                done += part.num_rows
                context.progress(done, total, "prompts", "deciding")
        return found.finish()


def _content_key(prompt: Prompt, question: str) -> bytes:
    """The same for the same pictures with the same question; so the same for one prompt id."""
    body = "".join([question, *(image.sha256 for image in prompt.images)])
    return hashlib.blake2b(body.encode(), digest_size=16).digest()


def completions_counted(marks: Sequence[tuple[bool, str | None]]) -> Counter[str]:
    """Completions by what became of them."""
    return Counter(why or reasons.KEPT for _, why in marks)
