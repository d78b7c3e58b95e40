"""Filters: which verified groups are learned from, and why the others are not.

`fingerprints` describes held-out prompts, `phash` hashes pictures by their looks, `settle` decides on one group by itself,
`survey` on all of them together, and `stage` writes what is kept and what is excluded.
"""
