"""Checks of what lies between us and the servers: certificates, and clocks."""

from __future__ import annotations

import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ratchet.preflight import places
from ratchet.preflight.checking import Check
from ratchet.preflight.context import Context
from ratchet.preflight.finding import Finding, fail, ok, skipped, warn, worst
from ratchet.preflight.http import SECONDS, Unreachable, ask, trust, unreachable
from ratchet.preflight.places import Server

SKEW_WARN = 30.0
SKEW_FAIL = 900.0
"""Signatures of S3 requests are refused when the clocks differ by more."""
DAYS_LEFT = 14


def tls(context: Context) -> Finding:
    """Whether the certificates of all https servers are trusted by the library that speaks with them."""
    over = [one for one in places.servers(context) if one.url.startswith("https://")]
    if not over:
        return skipped("no server is named by https://")
    return worst([_trusted(one, context) for one in over])


def _trusted(server: Server, context: Context) -> Finding:
    parts = urlsplit(server.url)
    host, port = parts.hostname or "", parts.port or 443
    try:
        expires = _expiry(host, port, trust(server.ca(context)))
    except Unreachable as error:
        if not error.untrusted:
            return fail(
                f"{server.what} at {host}:{port} does not answer: {error}", "Check address, DNS and network policy."
            )
        variable = server.variables[0]
        return fail(
            f"{server.what} at {host}:{port}: {error}",
            f"Put the server's authority (PEM) into a file of the pod and name it in {variable}.",
        )
    days = (expires - time.time()) / 86_400
    if days < DAYS_LEFT:
        return warn(f"the certificate of {server.what} at {host} ends in {days:.0f} days", "Renew it at the server.")
    return ok(f"{server.what}: trusted")


def _expiry(host: str, port: int, context: ssl.SSLContext) -> float:
    """When the certificate ends (epoch seconds). Raises Unreachable."""
    try:
        with (
            socket.create_connection((host, port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            return ssl.cert_time_to_seconds(str((wrapped.getpeercert() or {})["notAfter"]))
    except OSError as error:
        raise unreachable(error) from None


def clock(context: Context) -> Finding:
    """This machine's clock against those of the store and of MLflow."""
    compared = []
    if context.places.root.startswith("s3://"):
        compared.append(places.s3(context))
    if context.places.registry.startswith(("http://", "https://")):
        compared.append(places.mlflow(context))
    if not compared:
        return skipped("store and registry are on this machine")
    return worst([_skew(one, context) for one in compared])


def _skew(server: Server, context: Context) -> Finding:
    before = time.time()
    try:
        said = ask(server.url, ca=server.ca(context)).headers.get("date")
    except Unreachable as error:
        return skipped(f"{server.what} does not answer ({error})")
    after = time.time()
    if said is None:
        return skipped(f"{server.what} does not say its time")
    theirs = parsedate_to_datetime(said).timestamp()
    # Dates are whole seconds: what a second of it explains is no skew.
    apart = max(0.0, theirs - after, before - theirs - 1.0)
    ahead = "behind" if theirs > after else "ahead of"
    words = f"this machine is {apart:.0f} s {ahead} {server.what}"
    fix = "Set the time on the nodes (NTP, chrony)."
    if apart > SKEW_FAIL:
        return fail(f"{words}: S3 refuses signatures that are off by more than {SKEW_FAIL / 60:.0f} min", fix)
    return warn(words, fix) if apart > SKEW_WARN else ok(f"{server.what}: within {max(apart, 1.0):.0f} s")


CHECKS = (
    Check("tls", "certificates of https servers", tls, imports=("ratchet.store.s3",), begins=True),
    Check(
        "clock",
        "this clock against the store's and MLflow's",
        clock,
        ("settings",),
        imports=("ratchet.store.s3",),
        begins=True,
    ),
)
