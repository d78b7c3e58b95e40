"""Reinforcement learning from verifiers: GRPO and RLOO on TRL, with rewards from the round's own verifiers."""
