"""Checkpoints: what a training that was killed goes on from, in the store.

`place` keeps them, `snapshot` takes them from a trainer and puts them back, `writing` sends them while training goes on,
`keeping` decides when. Importing this package loads no torch.
"""

from ratchet.train.checkpoints.place import Card, Checkpoints, Training, of_stage, sweep_round

__all__ = ["Card", "Checkpoints", "Training", "of_stage", "sweep_round"]
