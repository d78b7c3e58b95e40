"""Published methods against each other: the same seed, the same budget, the same items."""
