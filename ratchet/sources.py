"""Fetch a seed model or a data set from wherever it is named, as plain files on this machine.

Nothing that could run code is accepted: no pickles, no programs, no configuration that asks for code of its own.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import tempfile
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import ratchet
from ratchet import models
from ratchet.artifacts import ModelRef
from ratchet.errors import ModelError, NotFound, PromptSetError, StoreError
from ratchet.model_files import CARD, ModelCard, check_names, check_path
from ratchet.registry.base import CHAMPION, Registry
from ratchet.store import Store, open_store

MODEL_FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model", "*.tiktoken", "LICENSE*", "README.md")
NOT_MODEL_FILES = ("*/*", "consolidated*", CARD)
DATA_FILES = tuple(
    f"*.{suffix}"
    for suffix in [
        "parquet",
        "jsonl",
        "ndjson",
        "csv",
        "tsv",
        "arrow",
        "json",
        "png",
        "jpg",
        "jpeg",
        "webp",
        "gif",
        "bmp",
        "tif",
        "tiff",
    ]
)
ORDINARY_DATA = (".jsonl", ".ndjson", ".csv", ".tsv")

_HUB = re.compile(r"hf://(?P<data>datasets/)?(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<rev>[\w.%-]+))?(?:/(?P<path>.+))?")
_REGISTERED = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>.+)|/(?P<version>\d+))")


def fetch_model(given: str, store: Store, registry: Registry | None = None) -> tuple[Path, str]:
    """The model's folder on this machine, and where it came from, pinned: "hf://org/repo@<commit>".

    `given` is a folder, s3://bucket/prefix, models:/name@champion, models:/name/3, hf://org/repo[@revision] (with the
    token in HF_TOKEN, and HF_HOME's cache) or "tinyworld", the seed that is shipped. Raises ModelError for what is not
    there, and for pickles and code.
    """
    if given == "tinyworld":
        folder, description = _shipped_seed()
    elif given.startswith("hf://"):
        folder, description = _hub_model(given)
    elif given.startswith("models:/"):
        return _registered(given, store, registry)
    elif given.startswith("s3://"):
        folder, description = _stored(given, store), given
    elif "://" in given and not given.startswith("file://"):
        raise ModelError(f"{given!r} is no place of a model; give a folder, s3://, models:/, hf:// or tinyworld.")
    else:
        folder = Path(given.removeprefix("file://")).absolute()
        description = f"folder {folder.name}"
    check_model_folder(folder, given)
    return folder, description


def check_client(*given: str | None) -> None:
    """Raises ModelError where one of these places is on the hub, and this installation cannot fetch from there."""
    named = [one for one in given if one is not None and one.startswith("hf://")]
    if named and find_spec("huggingface_hub") is None:
        raise ModelError(
            f"{named[0]} needs the Hugging Face client, which is not installed here. The core image has none: use a pod of the training "
            "image, a machine after `pip install ratchet[train]`, or put its folder into the store's bucket and name it s3://."
        )


def fetch_dataset(given: str) -> tuple[Path, str]:
    """A Hugging Face data set, hf://datasets/org/name[@revision][/path], in the hub's cache; and its pinned address.

    Only tables and pictures are fetched. Raises PromptSetError.
    """
    found = _HUB.fullmatch(given)
    if found is None or not found["data"]:
        raise PromptSetError(f"{given!r} is no data set; write hf://datasets/owner/name@revision.")
    path = (found["path"] or "").strip("/")
    lone = path and not path.endswith(ORDINARY_DATA)  # a table with pictures inside needs nothing beside it
    try:
        root = _snapshot(found, "dataset", (path, f"{path}/*") if lone else DATA_FILES, ())
    except ModelError as error:
        raise PromptSetError(str(error)) from error
    folder = root / path
    if not folder.resolve().exists() or ".." in path.split("/"):
        raise PromptSetError(f"{given} has no {path!r} among its tables and pictures.")
    return folder, f"hf://datasets/{found['repo']}@{root.name}" + (f"/{path}" if path else "")


def check_model_folder(folder: Path, given: str) -> None:
    """Raise ModelError unless the folder holds config.json and safetensors, and nothing that runs code."""
    if not folder.is_dir():
        raise ModelError(f"no folder at {given}; give the folder that `save_pretrained` wrote.")
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())
    for name in names:
        if not any(part.startswith(".") for part in name.split("/")):
            check_path(name, given)
    check_names(names, given)
    for index in folder.glob("*.safetensors.index.json"):
        missing = sorted(set(_read_json(index, given).get("weight_map", {}).values()) - set(names))
        if missing:
            raise ModelError(f"{given} lacks {', '.join(missing[:3])}, which {index.name} lists; copy the model whole.")
    for config in folder.glob("*.json"):
        _check_no_code(config, given)


def _check_no_code(config: Path, given: str) -> None:
    """`auto_map` names classes of the model's own: refused, unless transformers has the architecture itself."""
    found = _read_json(config, given)
    if not found.get("auto_map"):
        return
    main = config if config.name == "config.json" else config.with_name("config.json")
    kind = _read_json(main, given).get("model_type")
    if not _known_architecture(str(kind)):
        raise ModelError(
            f"{given} needs code of its own (auto_map in {config.name}, model_type {kind!r}), which is never run; "
            "choose an architecture that transformers has."
        )


def _known_architecture(kind: str) -> bool:
    """Whether transformers has the architecture: a look at its folders, since importing it takes many seconds."""
    found = find_spec("transformers")
    if found is None or not found.submodule_search_locations or not re.fullmatch(r"[\w-]+", kind):
        return False
    return (Path(next(iter(found.submodule_search_locations))) / "models" / kind.replace("-", "_")).is_dir()


def _read_json(path: Path, given: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name} of {given} is not readable JSON ({error}); copy the model again.") from error
    return found if isinstance(found, dict) else {}


def _shipped_seed() -> tuple[Path, str]:
    folder = Path(ratchet.__file__).parent / "tinyworld" / "seed"
    return folder, f"tinyworld seed of ratchet {ratchet.__version__}"


def _registered(given: str, store: Store, registry: Registry | None) -> tuple[Path, str]:
    """A version of a registered model. Only the alias champion means anything to ratchet."""
    found = _REGISTERED.fullmatch(given)
    if found is None or found["alias"] not in (None, CHAMPION):
        raise ModelError(f"{given!r} names no version; write models:/name@{CHAMPION} or models:/name/3.")
    if registry is None:
        raise ModelError(f"{given} needs a registry; set MLFLOW_TRACKING_URI, or RATCHET_REGISTRY=store.")
    version = (
        registry.version(found["name"], found["version"]) if found["version"] else registry.champion(found["name"])
    )
    if version is None:
        raise ModelError(
            f"{found['name']} has no champion in {registry.uri}; name a version: models:/{found['name']}/1."
        )
    description = f"models:/{version.name}/{version.version}"
    if version.digest and _inside(store, version.uri):
        ref = ModelRef(name=version.name, version=version.version, uri=version.uri, digest=version.digest)
        return models.fetch(store, ref), description
    if not version.uri.startswith(("s3://", "file://", "/")):
        raise ModelError(
            f"{description} lies at {version.uri}, which cannot be read here; register it from s3:// or a folder."
        )
    folder, _ = fetch_model(version.uri, store)
    return folder, f"{description} ({version.uri})"


def _stored(given: str, store: Store) -> Path:
    """Download what lies under an S3 prefix; names are judged before any byte comes."""
    source = open_store(given.rstrip("/"))
    try:
        card = ModelCard.model_validate_json(source.get(CARD))
    except (NotFound, ValueError):
        card = None
    if card is not None and _inside(store, given.rstrip("/")):
        return models.fetch(store, ModelRef(name=card.name, uri=given.rstrip("/"), digest=card.digest))
    names = [name for s in source.list() if not _hidden(name := source.key(s.uri))]
    for name in names:
        check_path(name, given)
    check_names(names, given)
    target = _scratch()
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        source.get_file(name, target / name)
    return target


def _hidden(name: str) -> bool:
    return name == CARD or any(part.startswith(".") for part in name.split("/"))


def _inside(store: Store, uri: str) -> bool:
    try:
        store.key(uri)
    except StoreError:
        return False
    return True


def _hub_model(given: str) -> tuple[Path, str]:
    """The model's own files out of the hub's cache, as files and not as links, whatever else the cache has."""
    found = _HUB.fullmatch(given)
    if found is None or found["data"] or found["path"]:
        raise ModelError(f"{given!r} is no model on the hub; write hf://owner/name@revision.")
    root = _snapshot(found, "model", MODEL_FILES, NOT_MODEL_FILES)
    target = _scratch()
    for path in root.iterdir():
        wanted = any(fnmatch(path.name, p) for p in MODEL_FILES) and not any(
            fnmatch(path.name, p) for p in NOT_MODEL_FILES
        )
        if wanted and path.is_file():
            _link(path.resolve(), target / path.name)
    return target, f"hf://{found['repo']}@{root.name}"


def _snapshot(found: re.Match[str], kind: str, allow: tuple[str, ...], ignore: tuple[str, ...]) -> Path:
    """The snapshot's folder, which is named after its commit. Raises ModelError."""
    check_client(found[0])
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    revision = unquote(found["rev"]) if found["rev"] else None
    name = f"{found['repo']}@{revision or 'main'}"
    try:
        place = snapshot_download(
            found["repo"], repo_type=kind, revision=revision, allow_patterns=list(allow), ignore_patterns=list(ignore)
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"cannot fetch {kind} {name} from the hub: {first} Check the name, set HF_TOKEN where it is gated, "
            "or bring it into HF_HOME's cache where there is no network."
        ) from error
    return Path(place)


def _link(source: Path, target: Path) -> None:
    """A second name for the same bytes where the file system can, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _scratch() -> Path:
    """A folder that goes when the process ends."""
    folder = tempfile.mkdtemp(prefix="ratchet-source-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
