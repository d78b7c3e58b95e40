"""How what each check finds is mended, in a line: the docs' row, the list of checks, and a failure that has no better words."""

from __future__ import annotations

from collections.abc import Mapping

MENDS: Mapping[str, str] = {
    "settings": "set them, as the ConfigMap of manifests/base does",
    "store": "keys, bucket, endpoint, or the right that is named (`s3:DeleteObject` ...)",
    "conditions": "a server that keeps them: AWS S3, MinIO, Ceph Squid, SeaweedFS",
    "parts": "allow multipart uploads and s3:AbortMultipartUpload",
    "identity": "the profile's secrets, AWS_PROFILE, or the service account's role",
    "tls": "the variable that is named: AWS_CA_BUNDLE, MLFLOW_TRACKING_SERVER_CERT_PATH, KFP_CA_CERT, SSL_CERT_FILE",
    "clock": "the nodes' time (NTP)",
    "mlflow": "MLFLOW_TRACKING_URI, its credentials, or an upgrade",
    "experiment": "rights on experiments; `mlflow experiments restore`",
    "registry": "rights on registered models",
    "profile": "the field that is named",
    "recipe": "the field that is named, or another profile",
    "prompts": "`ratchet import`",
    "champion": "`ratchet init`, restored files, or `ratchet rollback`",
    "models": "bring it there, or name another",
    "sampler": "address, key (`key_env`), model",
    "judges": "address, key (`key_env`), model",
    "hub": "HF_TOKEN, HF_ENDPOINT, or the model in the store",
    "pipelines": "KFP_ENDPOINT or `api`, KFP_TOKEN, an upgrade",
    "cluster": "KUBECONFIG",
    "secrets": "create it, or correct the profile",
    "account": "`kubectl apply -k` of an overlay",
    "rights": "the Roles of manifests/, which grant just this",
    "nodes": "node_selector, tolerations, resources; `--skip nodes` where an autoscaler makes nodes",
    "queue": "the queue, or the profile",
    "trainjob": "as the API server says",
    "images": "push it, a pull secret, a digest",
    "disk": "`resources.STAGE.scratch`, or RATCHET_CACHE on a larger volume",
    "shm": "`resources.STAGE.shm`, and compile again",
    "gpu": "the device plugin, or the profile's `gpu`",
    "variables": "the secret, or compile again",
    "versions": "compile again, or build the image from its lock",
}
