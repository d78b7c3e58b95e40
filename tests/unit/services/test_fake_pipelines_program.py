"""`ratchet services pipelines`: the fake API as a program, to try things out with."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from ratchet.platform.access import Access
from ratchet.platform.pipelines import Pipelines
from tests.pipelines import QUICK


def test_the_fake_is_served_at_the_address_that_it_prints(tmp_path: Path) -> None:
    code = "from ratchet.cli import main; main()"
    command = [sys.executable, "-u", "-c", code, "services", "pipelines", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as served:
        assert served.stdout is not None
        try:
            found = re.search(r"KFP_ENDPOINT=(http://127\.0\.0\.1:\d+)", served.stdout.readline())
            assert found is not None
            assert Pipelines(Access(found[1]), "kubeflow", QUICK).find_experiment("mine") is None
        finally:
            served.terminate()
        assert served.wait(timeout=240) == 128 + 15
