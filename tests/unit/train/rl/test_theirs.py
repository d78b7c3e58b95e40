"""What TRL's online trainers bring along when they are imported."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
import torch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CODE = """
import sys
import ratchet.train.rl.theirs
print("vllm" in sys.modules)
from trl.import_utils import is_vllm_available
print(is_vllm_available())
"""


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed, so nothing imports it")
@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU vLLM makes rollouts, and is imported")
def test_without_a_gpu_vllm_is_not_imported_and_is_found_by_who_asks_later() -> None:
    said = subprocess.run([sys.executable, "-W", "ignore", "-c", CODE], capture_output=True, text=True, check=True)
    assert said.stdout.split()[-2:] == ["False", "True"]
