"""One call of the API: asked again while the server is away, and its refusals in words that name the next step."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ratchet import canonical
from ratchet.errors import PlatformError, PlatformUnavailable
from ratchet.platform.access import Access

T = TypeVar("T")
_AWAY = (429, 502, 503, 504)
"""The request was not carried out, or may surely be repeated later."""
_LOGIN = (301, 302, 303, 307, 308)
_AWAY_STEP = (
    "Is Kubeflow Pipelines up (`kubectl -n kubeflow get pods`), is a port-forward still running, may this pod reach it "
    "(NetworkPolicy)? What was started goes on; the same command may be given again."
)


@dataclass(frozen=True)
class Patience:
    """`tries` in all; pauses double from `pause` to `longest` seconds. `connect` and `answer` are seconds of one request."""

    tries: int = 5
    pause: float = 0.5
    longest: float = 8.0
    connect: float = 5.0
    answer: float = 30.0

    def wait(self, turn: int) -> None:
        # Spread out: many who were refused at once must not come back at once.
        time.sleep(min(self.pause * 2**turn, self.longest) * random.uniform(0.5, 1.0))


class NotThere(PlatformError):
    """The API knows no such thing (404)."""


class AlreadyThere(PlatformError):
    """The API has such a thing already (409)."""


class Unclear(PlatformUnavailable):
    """The answer was lost: what was asked for may have been done."""


def ask(call: Callable[[tuple[float, float]], T], access: Access, patience: Patience, *, repeat: bool = True) -> T:
    """What `call(timeouts)` returns. `repeat`: asking twice does no harm, so that a lost answer is asked for again.

    Raises PlatformError for a refusal, PlatformUnavailable when all tries failed, and Unclear where a call that may not be
    repeated could have been carried out.
    """
    for turn in range(patience.tries):
        try:
            return call((patience.connect, patience.answer))
        except PlatformError:
            raise
        except Exception as error:
            away = _judged(error, access, repeat)
            if turn == patience.tries - 1:
                raise PlatformUnavailable(f"{away}; asked {patience.tries} times. {_AWAY_STEP}") from error
        patience.wait(turn)
    raise AssertionError("unreachable: the last try returns or raises")


def found_or_made(find: Callable[[], T | None], make: Callable[[], T], patience: Patience) -> tuple[T, bool]:
    """What `find` finds, else what `make` makes, and whether it was made now.

    A creation whose answer was lost, or that somebody else was faster with, is looked for before it is tried again.
    """
    for turn in range(patience.tries):
        found = find()
        if found is not None:
            return found, False
        try:
            return make(), True
        except (Unclear, AlreadyThere):
            if turn == patience.tries - 1:
                raise
        patience.wait(turn)
    raise AssertionError("unreachable: the last try returns or raises")


def _judged(error: Exception, access: Access, repeat: bool) -> str:
    """Words for a server that is away. Raises what is no matter of patience."""
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    if isinstance(error, ApiException):
        return _answered(error, access, repeat)
    if isinstance(error, HTTPError | OSError):
        return _cut_off(error, access, repeat)
    # The generated client could not read the answer: a front end's page, or a server of another version.
    raise PlatformError(
        f"{access.address} answered something that is no answer of Kubeflow Pipelines ({type(error).__name__}: {error}). "
        f"A login page? Give a session: KFP_COOKIE or KFP_TOKEN (now: {access.words}). Or the address lacks a prefix, as /pipeline."
    ) from error


def _answered(error: Any, access: Access, repeat: bool) -> str:
    code, said = int(error.status or 0), message_of(error)
    if code == 0:
        raise PlatformError(_tls(access, said)) from error
    # Whoever stands before the server (502, 504) cannot say whether it did what it was asked; 429 is before it.
    if code in _AWAY and (repeat or code == 429):
        return f"{access.address} answered {code}: {said}"
    if code >= 500:
        if not repeat:
            raise Unclear(f"{access.address} answered {code}: {said}") from error
        return f"{access.address} answered {code}: {said}"
    raise _refused(code, said, access) from error


def _refused(code: int, said: str, access: Access) -> PlatformError:
    if code in _LOGIN:
        return PlatformError(
            f"{access.address} sends to a login page ({code}): it does not know us with {access.words}. Copy the session cookie of your "
            "browser into KFP_COOKIE (NAME=VALUE), or use an address inside the cluster with a token (KFP_TOKEN)."
        )
    if code == 401:
        return PlatformError(
            f"{access.address} does not know us (401: {said}), with {access.words}. Renew the token or cookie; in a pod mount a projected "
            "token for the audience pipelines.kubeflow.org (docs/operations.md says how)."
        )
    if code == 403:
        return PlatformError(
            f"{access.address} refuses (403: {said}), with {access.words}. Bind the role of manifests/base to this account in the "
            "namespace of the profile, or choose another `namespace:`."
        )
    if code == 404:
        return NotThere(f"{access.address} has no such thing (404: {said}).")
    if code == 409:
        return AlreadyThere(f"{access.address} has it already (409: {said}).")
    return PlatformError(f"{access.address} refused the request ({code}: {said}).")


def _cut_off(error: Exception, access: Access, repeat: bool) -> str:
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError

    reason = getattr(error, "reason", None) or error
    if isinstance(reason, SSLError) or isinstance(error, SSLError):
        raise PlatformError(_tls(access, str(reason))) from error
    words = f"{access.address} did not answer ({type(reason).__name__}: {_short(reason)})"
    if not repeat and not isinstance(reason, NewConnectionError | ConnectTimeoutError):
        raise Unclear(words) from error
    return words


def _tls(access: Access, said: str) -> str:
    return (
        f"{access.address} has a certificate that is not trusted ({_short(said)}). Put the PEM file of the authority that signed it into "
        "KFP_CA_CERT; the check itself cannot be switched off."
    )


def _short(said: object) -> str:
    return " ".join(str(said).split())[-200:]


def message_of(error: Any) -> str:
    """What the API says, out of its JSON."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
    try:
        told = canonical.loads(body.encode())
        words = told.get("message") or told.get("error_message") or told.get("error")
    except (ValueError, AttributeError):
        words = None
    return _short(words or body or error.reason or "no words")
