"""Filters: which verified groups are learned from, and why the others are not.

One group by itself: `settle` decides, `pairs` and `repair` pair its completions. A group among the others: `known` finds exact
and near duplicates and what is held out (`fingerprints`, `ngrams`, `near`, `phash`), `texts` near duplicates of text (`shingles`,
`minhash`), `vectors` those of pictures by a model (`embedding`), `diversity` chooses, `shares` caps and balances, `lengths` evens
the pairs' mean lengths, and `replay` brings back what earlier rounds kept. `survey` asks all of them in one pass and makes
`decisions`; `stage` writes what is kept, and `excluded` what is not, each with its reason. `inputs` says what else is read.
"""
