"""From the round pipeline to KFP's IR YAML."""

from pathlib import Path

from kfp import compiler

from ratchet.pipelines.round import round_pipeline
from ratchet.profile import Profile


def compile_round(profile: Profile, out: Path) -> Path:
    """Write the compiled pipeline to `out` (.yaml)."""
    out.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(round_pipeline(profile), str(out))
    return out
