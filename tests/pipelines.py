"""A client of the fake API with little patience, and a small pipeline to upload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ratchet.platform.access import Access
from ratchet.platform.asking import Patience
from ratchet.platform.pipelines import Pipelines
from ratchet.services.fake_pipelines import FakePipelines

QUICK = Patience(tries=4, pause=0.01, longest=0.02, connect=30.0, answer=30.0)
IR = """
pipelineInfo: {name: small}
root:
  inputDefinitions:
    parameters:
      recipe: {parameterType: STRING}
      loop: {parameterType: STRING}
      seed: {parameterType: STRING, defaultValue: champion, isOptional: true}
      budget: {parameterType: NUMBER_DOUBLE, defaultValue: 0.0, isOptional: true}
      resume: {parameterType: BOOLEAN, defaultValue: false, isOptional: true}
      origin: {parameterType: STRING, defaultValue: person, isOptional: true}
schemaVersion: 2.1.0
sdkVersion: kfp-2.17.0
"""


def client(fake: FakePipelines, namespace: str = "kubeflow", patience: Patience = QUICK, **access: Any) -> Pipelines:
    return Pipelines(Access(fake.url, **access), namespace, patience)


def pipeline_file(folder: Path, text: str = IR) -> Path:
    file = folder / "round.yaml"
    file.write_text(text)
    return file
