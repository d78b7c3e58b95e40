"""What botocore's exceptions mean for ratchet, and which of them are worth another try."""

from __future__ import annotations

import random
import time

from boto3.exceptions import S3UploadFailedError
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from ratchet.errors import Conflict, NotFound, StoreError, StoreUnavailable

# Raised while a body is read, after botocore's own retries are over: the request has to be made again by us.
BODY_ERRORS = (
    boto.IncompleteReadError,
    boto.ResponseStreamingError,
    boto.ReadTimeoutError,
    boto.ConnectionClosedError,
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.FlexibleChecksumError,
    boto.HTTPClientError,
    ConnectionError,
    TimeoutError,
)
MISSING = {"404", "NoSuchKey", "NotFound"}
LOST = {"409", "412", "ConditionalRequestConflict", "PreconditionFailed"}
DENIED = {"401", "403", "AccessDenied", "AllAccessDisabled", "AccountProblem"}
BAD_KEYS = {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired"}
BUSY = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling", "TooManyRequests"}
MOVED = {"301", "307", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}


def code_of(error: Exception) -> str:
    """The S3 error code, or "" when the server did not answer."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def retries_of(error: ClientError) -> int:
    """How often botocore had repeated the request when this answer came."""
    return error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)


def translate(error: Exception, place: str, bucket: str, endpoint: str) -> StoreError:
    """The error to raise instead. `place` is the object's URI."""
    code = code_of(error)
    if isinstance(error, StoreError):
        return error
    if code == "NoSuchBucket":
        return missing_bucket(bucket, endpoint)
    if code in MISSING:
        return NotFound(f"no object at {place}")
    if code in LOST:
        return Conflict(f"{place} was changed by somebody else first")
    if code in DENIED:
        return StoreError(
            f"access to {place} at {endpoint} is denied ({code}): check the keys, and that they may do s3:GetObject, "
            f"s3:PutObject, s3:DeleteObject and s3:ListBucket in bucket {bucket!r}"
        )
    return _refused(error, code, place, bucket, endpoint)


def missing_bucket(bucket: str, endpoint: str) -> StoreError:
    return StoreError(f"there is no bucket {bucket!r} at {endpoint}: create it, or correct the root or endpoint")


def _refused(error: Exception, code: str, place: str, bucket: str, endpoint: str) -> StoreError:
    if code in BAD_KEYS or isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return StoreError(
            f"no valid credentials for {place} at {endpoint} ({code or error}): set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the pod's role, and check their expiry"
        )
    if code == "RequestTimeTooSkewed":
        return StoreError(f"{endpoint} refuses this machine's clock at {place}: set the time (NTP), then start again")
    if code in MOVED:
        return StoreError(f"bucket {bucket!r} is not in this region of {endpoint} ({code}): set AWS_REGION")
    if isinstance(error, boto.SSLError):
        return StoreError(f"TLS to {endpoint} failed for {place} ({error}): set AWS_CA_BUNDLE to the server's CA file")
    if isinstance(error, ClientError) and not _busy(error, code):
        return StoreError(f"S3 refused {place} at {endpoint}: {error}")
    if isinstance(error, BotoCoreError) and not isinstance(error, BODY_ERRORS):
        return StoreError(f"S3 request for {place} at {endpoint} could not be made: {error}; check the AWS settings")
    return StoreUnavailable(
        f"no usable answer for {place} from {endpoint} after all retries ({_shortly(error)}): check that the server "
        f"runs and is reachable, then start again; RATCHET_S3_ATTEMPTS and RATCHET_S3_TIMEOUT set the patience"
    )


def _busy(error: ClientError, code: str) -> bool:
    return code in BUSY or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500


def _shortly(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def cause_of(error: Exception) -> Exception:
    """What really happened: boto3's transfers wrap it, each direction in its own way."""
    wrapped = error.__context__ if isinstance(error, S3UploadFailedError) else getattr(error, "last_exception", None)
    return wrapped if isinstance(wrapped, Exception) else error


def pause(attempt: int) -> None:
    """Exponential backoff with jitter: .1 s, .2 s, .4 s ... at most 5 s, times .5 to 1."""
    time.sleep(min(5.0, 0.05 * 2**attempt) * random.uniform(0.5, 1.0))
