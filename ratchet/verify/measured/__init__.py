"""Verifiers that measure an answer with a model: likelihoods, similarities, rewards."""
