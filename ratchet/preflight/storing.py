"""Checks of the store: what it takes, keeps and refuses, and who we are there."""

from __future__ import annotations

from ratchet.preflight.checking import Check
from ratchet.preflight.context import Context
from ratchet.preflight.finding import Finding, fail, ok, warn
from ratchet.store.preflight import keeps_conditions, reads_and_writes, takes_parts

_S3 = ("ratchet.store.s3", "boto3")


def settings(context: Context) -> Finding:
    problem = context.problems.get("settings")
    if problem is not None:
        return fail(str(problem), "Set RATCHET_ROOT and MLFLOW_TRACKING_URI, as the ConfigMap of manifests/base does.")
    return ok(f"store {context.places.root}, registry {context.places.registry}")


def reads(context: Context) -> Finding:
    reads_and_writes(context.store)
    return ok(f"put, get, a range, list and delete below {context.store.uri('preflight')}")


def conditions(context: Context) -> Finding:
    keeps_conditions(context.store)
    return ok("keeps If-None-Match and If-Match")


def parts(context: Context) -> Finding:
    takes_parts(context.store)
    return ok("takes an upload in parts, and forgets one that is broken off")


def identity(context: Context) -> Finding:
    """Who the store takes us for: STS where there is one, else the end of the access key."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    session = boto3.session.Session()
    try:
        credentials = session.get_credentials()
    except BotoCoreError as error:
        return fail(f"the credentials cannot be read: {error}", _KEYS)
    if credentials is None:
        return fail("there are no credentials for the store", _KEYS)
    key = f"access key ...{credentials.access_key[-4:]} (from {credentials.method})"
    env = context.environment
    own = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL")
    if own and not env.get("AWS_ENDPOINT_URL_STS"):
        return ok(f"{key}; {own} is no AWS, so STS is not asked")
    try:
        once = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1})
        client = session.client("sts", region_name=session.region_name or "us-east-1", config=once)
        return ok(f"{client.get_caller_identity()['Arn']}, {key}")
    except ClientError as error:
        return fail(f"STS does not know {key}: {error}", _KEYS)
    except BotoCoreError as error:
        return warn(f"{key}; STS does not answer: {error}", "Let the pods reach STS, or set AWS_ENDPOINT_URL_STS.")


_KEYS = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (the profile's secrets), AWS_PROFILE, or give the service account a "
    "role, and check their expiry."
)


CHECKS = (
    Check("settings", "store and registry are named", settings, begins=False),
    Check(
        "store",
        "objects: put, get, range, list, delete",
        reads,
        ("settings",),
        imports=("ratchet.store.s3",),
        begins=True,
        limit=60.0,
    ),
    Check(
        "conditions",
        "conditional puts, which lease and ledgers rest on",
        conditions,
        ("settings",),
        ("store",),
        begins=True,
    ),
    Check("parts", "uploads in parts, and breaking them off", parts, ("s3",), ("store",), imports=_S3, begins=True),
    Check("identity", "who we are at the store", identity, ("s3",), imports=_S3, begins=False),
)
