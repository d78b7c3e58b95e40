"""Which split a row falls into: rows that share a picture or a key always fall into the same one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ratchet.importing.options import ImportOptions, RowRefused
from ratchet.promptset import SPLIT_NAMES as SPLITS
from ratchet.promptset import split_of

USUAL_SPLITS: Mapping[str, str] = {
    "train": "pool",
    "training": "pool",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "holdout+report",
    **{split: split for split in SPLITS},
}
"""What a data set's own split names become. A test split is divided: the gate decides on one part, the other is published."""


class Clusters:
    """Rows joined by what they share: a forest of keys and pictures (union-find with path halving)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._name: dict[str, str] = {}
        self.joined = 0

    def add(self, key: str | None, pictures: Iterable[str]) -> None:
        """Join the key (if the row has one of its own) and all pictures of a row."""
        nodes = list(
            dict.fromkeys([*([f"key:{key}"] if key is not None else []), *(f"picture:{sha}" for sha in pictures)])
        )
        if len(nodes) < 2:  # a picture on its own is its own cluster: nothing to keep
            return
        for node in nodes:
            if node not in self._parent:
                self._parent[node] = node
                self._name[node] = node
        for node in nodes[1:]:
            self._join(nodes[0], node)

    def name(self, picture: str) -> str:
        """The cluster's split key: its least own key, or its least picture hash where it has none."""
        node = f"picture:{picture}"
        return self._name[self._root(node)].split(":", 1)[1] if node in self._parent else picture

    def _root(self, node: str) -> str:
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def _join(self, one: str, other: str) -> None:
        a, b = self._root(one), self._root(other)
        if a == b:
            return
        # "key:..." sorts before "picture:...".
        least = min(self._name[a], self._name[b])
        self.joined += self._name[a].startswith("key:") and self._name[b].startswith("key:")
        self._parent[b] = a
        self._name[a] = least


class Splitter:
    """Places rows, and keeps a cluster that the data's own splits would tear apart in its most protected split."""

    def __init__(self, options: ImportOptions) -> None:
        self._options = options
        self._names = {**USUAL_SPLITS, **{name.lower(): target for name, target in options.split_names.items()}}
        self._own: dict[str, str] = {}

    def targets(self, own: str | None) -> dict[str, float]:
        """Our splits for the data's own split name, with their shares. Raises RowRefused for a name without a meaning."""
        if own is None:
            return dict(self._options.shares)
        target = self._names.get(own.lower())
        if target is None:
            raise RowRefused(
                "unknown_split", f"{own!r} is no known split ({', '.join(self._names)}); map it with split_names."
            )
        names = target.split("+")
        shares = {name: self._options.shares.get(name, 0.0) for name in names}
        return shares if sum(shares.values()) else dict.fromkeys(names, 1.0)

    def place(self, key: str, own: str | None) -> str:
        """The split that a row asks for: by its own split name, or by its key's salted hash."""
        return split_of(key, self._options.split_salt, self.targets(own))

    def meet(self, key: str, own: str | None) -> None:
        """Note what each row of a cluster asks for, before any is placed with `settle`."""
        if own is None:  # then so are all, and `settle` finds the same again
            return
        split = self.place(key, own)
        self._own[key] = max(split, self._own.get(key, split), key=SPLITS.index)

    def settle(self, key: str) -> str:
        return self._own.get(key) or self.place(key, None)
