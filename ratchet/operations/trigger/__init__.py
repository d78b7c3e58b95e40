"""The server that starts the next round when the registry's champion moves."""
