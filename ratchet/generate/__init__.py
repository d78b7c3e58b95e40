"""Completions for prompts: engines that run a model, strategies that ask it, and the stage that runs them over the pool."""

from ratchet.generate.engine import Answer, BatchHook, Engine, Request
from ratchet.generate.sampling import ReferenceSampler, Sampler, SamplingParams, derived_seed

__all__ = [
    "Answer",
    "BatchHook",
    "Engine",
    "ReferenceSampler",
    "Request",
    "Sampler",
    "SamplingParams",
    "derived_seed",
]
