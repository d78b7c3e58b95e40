"""The command line: one subcommand per stage and per operation. It parses, calls and prints; nothing else."""

from ratchet.cli.app import main

__all__ = ["main"]
