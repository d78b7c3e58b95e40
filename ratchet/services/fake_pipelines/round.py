"""`python -m ratchet.services.fake_pipelines.round RUN ARGUMENTS`: one round by kfp.local whose job id is the run's."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib import import_module


def main(run: str, arguments: str) -> int:
    from kfp.local import placeholder_utils

    from ratchet.profile import Profile

    # KFP's local runner draws a random id for the job; a cluster gives the run's, which our records are named by.
    placeholder_utils.make_random_id = lambda: run
    with tempfile.TemporaryDirectory(prefix="ratchet-kfp-") as folder:
        try:
            import_module("ratchet.pipelines.local").run_round(
                Profile.load(os.environ.get("RATCHET_PROFILE")), json.loads(arguments), folder
            )
        except RuntimeError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
