"""Kubeflow Pipelines and the cluster, as ratchet uses them: the only place that talks to their servers."""
