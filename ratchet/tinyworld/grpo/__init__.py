"""Does GRPO gain on the tiny world, from the saturated seed? Many configurations at equal CPU-seconds, with controls.

python -m ratchet.tinyworld.grpo --out build/study-grpo
"""
