"""Whether images can be pulled: one question to their registry for each, as a node would begin its pull."""
