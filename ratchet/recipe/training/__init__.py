"""The parts of TrainConfig: which weights learn, preference terms, reinforcement, curriculum, checkpoints."""
