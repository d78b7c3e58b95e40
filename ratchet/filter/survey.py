"""The first pass: a compact record of every group, and from all of them together who is kept and why the rest is not."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ratchet import models
from ratchet.artifacts import GROUPS, ImageBank
from ratchet.artifacts.columns import paused_gc
from ratchet.errors import ModelError
from ratchet.filter import reasons
from ratchet.filter.decisions import UNKNOWN_RATE, Decisions, PairsLeft, band_of, bands_of
from ratchet.filter.diversity import Spread
from ratchet.filter.embedding import open_embedder
from ratchet.filter.fingerprints import Fence, fence_of
from ratchet.filter.known import Known
from ratchet.filter.lengths import balanced
from ratchet.filter.phash import Hashes
from ratchet.filter.replay import Sources, draw, look, packs_of
from ratchet.filter.settle import Settled, settle
from ratchet.filter.shares import Codes, cap, draw_key, limit_shares
from ratchet.filter.texts import Texts
from ratchet.filter.vectors import Alike, PictureVectors
from ratchet.recipe import FilterConfig, VerifyConfig
from ratchet.recipe.judges import SEED
from ratchet.records import Group, Prompt
from ratchet.stage import StageContext
from ratchet.verify.stage import slices

Keys = npt.NDArray[np.uint64]
EMBEDDED_AT_ONCE = 64


class Survey:
    """About 30 bytes a group, and more for each filter that compares groups: see `known`, `near` and `minhash`."""

    def __init__(
        self,
        config: FilterConfig,
        verify: VerifyConfig,
        salt: str,
        fence: Fence | None,
        hashes: Hashes | None,
        vectors: Mapping[str, PictureVectors] | None = None,
    ) -> None:
        self._config, self._verify, self._salt = config, verify, salt
        self._known = Known(config, fence, hashes)
        self._texts = Texts(config.dedup_text) if config.dedup_text is not None else None
        self._vectors = vectors or {}
        self._alike = _alike(config, self._vectors)
        self._spread = _spread(config, hashes, self._vectors)
        ratio = config.pairs.mean_length_ratio if config.pairs is not None else None
        self._pairs = _Pairs(ratio) if ratio is not None else None
        self._own = 0
        self._skill_codes: dict[str, int] = {}
        # Groups that their strategy gave up bring a reason of their own.
        self._names = list(reasons.NAMES)
        self._reason_codes = dict(reasons.CODES)
        self._codes, self._bands = array("B"), array("B")
        self._skills, self._keys, self._rates = array("I"), array("Q"), array("d")

    def add(self, group: Group) -> None:
        """Look at the next of the round's own groups, in the order of the rows."""
        settled = settle(group, self._verify, self._config)
        reason = group.reason or settled.reason or self._known.reason(group.prompt)
        marked = zip(group.completions, settled.marks, strict=False)
        self._record(group.prompt, reason, settled.pass_rate, [c.text for c, (kept, _) in marked if kept])
        if self._pairs is not None:
            self._pairs.add(group, settled, reason is None)
        self._own += 1

    def add_earlier(self, group: Group, refused: str | None) -> None:
        """Look at a group that an earlier round kept, after all of the round's own. `refused`: why it cannot be replayed."""
        reason = refused or self._known.reason(group.prompt)
        self._record(group.prompt, reason, None, [c.text for c in group.completions if c.kept])

    def _record(self, prompt: Prompt, reason: str | None, rate: float | None, answers: Sequence[str]) -> None:
        if reason is None:
            self._compare_later(len(self._codes), prompt, answers)
        self._codes.append(self._code(reason) if reason else 0)
        self._bands.append(band_of(prompt.difficulty))
        self._skills.append(self._skill_codes.setdefault(prompt.skill, len(self._skill_codes)))
        self._keys.append(draw_key(prompt.id, self._salt))
        self._rates.append(UNKNOWN_RATE if rate is None else rate)

    def _compare_later(self, row: int, prompt: Prompt, answers: Sequence[str]) -> None:
        if self._texts is not None:
            self._texts.add(row, prompt, answers)
        if self._spread is not None:
            self._spread.add(row, prompt, answers)
        if self._alike is not None:
            self._alike.add(prompt)
        for one in self._vectors.values():
            one.add(row, [image.sha256 for image in prompt.images])

    def finish(self) -> Decisions:
        """All that can only be said at the end: near duplicates of text and by vectors; diversity, caps, balance and mean
        lengths of the round's own groups; and which of the earlier ones come again."""
        own = slice(self._own)
        codes, keys = np.frombuffer(self._codes, dtype=np.uint8), np.frombuffer(self._keys, dtype=np.uint64)
        rates = np.frombuffer(self._rates, dtype=np.float64)[own]
        skills = np.frombuffer(self._skills, dtype=np.uint32)[own]
        bands = np.frombuffer(self._bands, dtype=np.uint8)[own]
        if self._texts is not None:
            codes = self._texts.drop(codes)
        if self._alike is not None:
            codes = self._alike.drop(codes)
        final, pairs = codes[own], None
        if final.size:
            if self._spread is not None:
                final = self._spread.drop(final, keys[own])
            final = _capped(final, skills, bands, rates, keys[own], self._config)
            if self._pairs is not None:
                final, pairs = self._pairs.balance(final, keys[own])
        drawn = None
        if self._config.replay is not None:
            drawn = draw(codes[self._own :], keys[self._own :], int((final == 0).sum()), self._config.replay)
        return Decisions(final, skills, bands, rates, list(self._skill_codes), self._names, pairs, drawn)

    def _code(self, reason: str) -> int:
        if reason not in self._reason_codes:
            self._reason_codes[reason] = len(self._names)
            self._names.append(reason)
        return self._reason_codes[reason]


def _alike(config: FilterConfig, vectors: Mapping[str, PictureVectors]) -> Alike | None:
    dedup = config.dedup_embedding
    return Alike(dedup, vectors[dedup.model]) if dedup is not None else None


def _spread(config: FilterConfig, hashes: Hashes | None, vectors: Mapping[str, PictureVectors]) -> Spread | None:
    if config.diversity is None:
        return None
    return Spread(
        config.diversity, hashes, vectors[config.diversity.model] if config.diversity.by == "embedding" else None
    )


def _capped(codes: Codes, skills: Any, bands: Any, rates: Any, keys: Keys, config: FilterConfig) -> Codes:
    """Caps by difficulty band and pass rate first, then by skill, so that the balance holds of what is written."""
    if config.per_difficulty is not None:
        codes = cap(codes, bands, keys, config.per_difficulty, reasons.OVER_DIFFICULTY_CAP)
    if config.per_pass_rate is not None:
        codes = cap(codes, bands_of(rates), keys, config.per_pass_rate, reasons.OVER_PASS_RATE_CAP)
    return limit_shares(codes, skills, keys, config.per_skill, config.balance)


class _Pairs:
    """Lengths of the text pairs of every row that nothing else drops: 8 bytes a pair, 3 a row."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._chosen, self._rejected = array("I"), array("I")
        self._counts, self._serves = array("H"), array("B")

    def add(self, group: Group, settled: Settled, kept: bool) -> None:
        lengths = {c.index: c.n_tokens for c in group.completions}
        ends = [(lengths[p.chosen], lengths[p.rejected]) for p in settled.pairs if p.kind == "text"]
        ends = ends if kept and "preference" in settled.uses else []
        self._chosen.extend(chosen for chosen, _ in ends)
        self._rejected.extend(rejected for _, rejected in ends)
        self._counts.append(len(ends))
        # Whether the row serves something without its pairs of text.
        self._serves.append(len(settled.uses) > 1 or len(ends) < len(settled.pairs))

    def balance(self, codes: Codes, keys: Keys) -> tuple[Codes, PairsLeft]:
        """Drop pairs until the mean lengths are within the ratio, and the rows that serve nothing without them."""
        codes = codes.copy()
        counts = np.frombuffer(self._counts, dtype=np.uint16).astype(np.int64)
        of_row = np.repeat(np.arange(codes.size), counts)
        chosen = np.frombuffer(self._chosen, dtype=np.uint32).astype(np.int64)
        rejected = np.frombuffer(self._rejected, dtype=np.uint32).astype(np.int64)
        left = codes[of_row] == 0
        left[left] = balanced(chosen[left], rejected[left], keys[of_row[left]], self._ratio)
        bare = (codes == 0) & (counts > 0) & (np.bincount(of_row[left], minlength=codes.size) == 0)
        codes[bare & (np.frombuffer(self._serves, dtype=np.uint8) == 0)] = reasons.CODES[reasons.LENGTH_UNBALANCED]
        return codes, PairsLeft(np.concatenate([[0], np.cumsum(counts)]), left)


def survey(context: StageContext, sources: Sources) -> Decisions:
    """Read all groups once and decide; `sources` are the earlier rounds to replay from."""
    config: FilterConfig = context.config
    parent = context.open("verify", GROUPS)
    bank = ImageBank(context.store, packs_of(parent.manifest.packs, sources))
    looks = config.diversity is not None and config.diversity.by == "pictures"
    near = config.dedup_near_bits is not None or config.decontaminate_near_bits is not None
    hashes = Hashes(bank) if near or looks else None
    fence = fence_of(context.store, context.round) if config.decontaminate else None
    found = Survey(config, context.round.recipe.verify, context.round.salt, fence, hashes, _embedders(context, bank))
    total, done = 2 * parent.manifest.rows, 0
    with context.clock("survey"):
        for table in parent.tables():
            for part in slices(table):
                with paused_gc():
                    for group in GROUPS.rows(part):
                        found.add(group)
                done += part.num_rows
                context.progress(done, total, "prompts", "deciding")
        look(context.store, sources, config, found)
        return found.finish()


def _embedders(context: StageContext, bank: ImageBank) -> dict[str, PictureVectors]:
    """The models whose vectors the recipe compares, loaded, by the name that it gives them."""
    config: FilterConfig = context.config
    found = {}
    for name in sorted(config.embedders):
        ref = context.round.seed if name == SEED else context.round.models.get(name)
        if ref is None:
            raise ModelError(f"model {name!r} was not pinned when the round began; begin a round with this recipe.")
        found[name] = PictureVectors(open_embedder(models.fetch(context.store, ref)), bank, EMBEDDED_AT_ONCE)
    return found
