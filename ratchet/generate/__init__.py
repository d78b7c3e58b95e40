"""Completions for prompts: what a sampler is, and the stage that runs one over the pool."""

from ratchet.generate.sampling import BatchHook, ReferenceSampler, Sampler, SamplingParams, derived_seed

__all__ = ["BatchHook", "ReferenceSampler", "Sampler", "SamplingParams", "derived_seed"]
