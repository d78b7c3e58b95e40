"""A fake of the API of Kubeflow Pipelines (v2beta1), over HTTP: for tests, and for trying the operations without a cluster.

Stateful, and strict: bodies are checked against the models of kfp_server_api, arguments against the pipeline that was
uploaded, as the real one does. Faults can be asked for. With `execute` submitted runs really run.
"""

from ratchet.services.fake_pipelines.server import FakePipelines, Fault

__all__ = ["FakePipelines", "Fault"]
