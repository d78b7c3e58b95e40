"""The manifests by checkov's rules. It has an environment of its own, which `make manifests-check` makes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.kustomize import MANIFESTS, OVERLAYS, needs_kubectl, text

CHECKOV = os.environ.get("RATCHET_CHECKOV")


@needs_kubectl
@pytest.mark.skipif(CHECKOV is None, reason="needs RATCHET_CHECKOV, as `make manifests-check` gives it")
@pytest.mark.timeout(600)
def test_no_rule_is_broken_but_those_that_a_manifest_skips_with_a_reason(tmp_path: Path) -> None:
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(text(overlay))
    command = [str(CHECKOV), "-d", str(tmp_path), "--framework", "kubernetes", "-o", "json", "--skip-download"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    broken = [f"{one['file_path']} {one['resource']}: {one['check_id']}" for one in found["results"]["failed_checks"]]
    assert broken == []
    assert found["summary"]["passed"] > 1000
    assert found["summary"]["parsing_errors"] == 0


def test_every_skip_says_why() -> None:
    for file in MANIFESTS.rglob("*.yaml"):
        for rule in re.findall(r"checkov\.io.*skip\d:? *(.*)", file.read_text()):
            assert not rule or re.fullmatch(r"CKV2?_K8S_\d+=.{20,}", rule), f"{file}: {rule}"
