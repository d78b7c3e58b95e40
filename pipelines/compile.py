"""From the round pipeline to KFP's IR YAML."""

from pathlib import Path

from kfp import compiler

from ratchet.pipelines.round import round_pipeline
from ratchet.profile import Profile


def compile_round(profile: Profile, out: Path, *, allow_tags: bool = False) -> Path:
    """Write the compiled pipeline to `out` (.yaml): the same bytes for the same profile and version of ratchet.

    Raises RecipeError for an image without a digest, unless tags are allowed.
    """
    profile.check_images(allow_tags)
    out.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(round_pipeline(profile), str(out))
    return out
