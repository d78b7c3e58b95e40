from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ratchet import models
from ratchet.artifacts import ModelRef
from ratchet.errors import ModelError, PromptSetError
from ratchet.loop import init_loop
from ratchet.registry.base import ModelVersion
from ratchet.settings import Settings
from ratchet.sources import fetch_dataset, fetch_model
from ratchet.store import FolderStore, Store, open_store
from tests.unit.importing.samples import parquet_file, png, rows_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def model_folder(place: Path, **extra: bytes) -> Path:
    """What looks like a model: a configuration and weights."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.json").write_text(json.dumps({"model_type": "idefics3"}))
    (place / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    for name, data in extra.items():
        (place / name.replace("__", ".")).write_bytes(data)
    return place


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


class OneVersion:
    """A registry with one champion."""

    uri = "memory"

    def __init__(self, uri: str, digest: str = "") -> None:
        self._version = ModelVersion(name="demo", version="3", uri=uri, digest=digest, created=datetime.now(UTC))

    def champion(self, name: str) -> ModelVersion | None:
        return self._version if name == "demo" else None

    def version(self, name: str, version: str) -> ModelVersion:
        assert (name, version) == ("demo", "3")
        return self._version


def registry(uri: str, digest: str = "") -> Any:
    return OneVersion(uri, digest)


def test_a_local_folder_is_taken_as_it_is(tmp_path: Path, store: FolderStore) -> None:
    folder, description = fetch_model(str(model_folder(tmp_path / "seed")), store)
    assert folder == tmp_path / "seed"
    assert description == "folder seed"


def test_the_shipped_seed_is_known_by_name(store: FolderStore) -> None:
    folder, description = fetch_model("tinyworld", store)
    assert (folder / "config.json").is_file()
    assert description.startswith("tinyworld seed of ratchet ")


def test_an_s3_prefix_is_downloaded(tmp_path: Path, s3_root: str) -> None:
    remote = open_store(s3_root).sub("elsewhere/model")
    for path in model_folder(tmp_path / "seed", __gitattributes=b"x").iterdir():
        remote.put_file(path.name, path)
    folder, description = fetch_model(f"{s3_root}/elsewhere/model/", open_store(f"{s3_root}/work"))
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert description == f"{s3_root}/elsewhere/model/"


def test_a_pickle_in_s3_is_refused_before_a_byte_is_fetched(
    tmp_path: Path, s3_root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = open_store(s3_root).sub("bad")
    for path in model_folder(tmp_path / "seed", training_args__bin=b"x").iterdir():
        remote.put_file(path.name, path)
    monkeypatch.setattr(type(remote), "get_file", lambda *_: pytest.fail("a file was fetched"))
    with pytest.raises(ModelError, match=r"training_args\.bin"):
        fetch_model(f"{s3_root}/bad", open_store(s3_root))


@pytest.mark.parametrize("given", ["models:/demo@champion", "models:/demo/3"])
def test_a_registered_model_is_fetched_by_its_digest(
    tmp_path: Path, store: FolderStore, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATCHET_CACHE", str(tmp_path / "cache"))
    ref: ModelRef = models.upload(store, model_folder(tmp_path / "seed"), "demo")
    folder, description = fetch_model(given, store, registry(ref.uri, ref.digest))
    assert (folder / "model.safetensors").read_bytes() == (tmp_path / "seed" / "model.safetensors").read_bytes()
    assert description == "models:/demo/3"


def test_a_model_registered_without_ratchet_is_read_from_its_place(tmp_path: Path, store: FolderStore) -> None:
    place = model_folder(tmp_path / "theirs")
    folder, description = fetch_model("models:/demo@champion", store, registry(f"file://{place}"))
    assert folder == place
    assert str(place) in description


@pytest.mark.parametrize(
    "given", ["models:/demo@latest", "models:/demo", "models:/demo/x", "models:/other@champion", "models:/demo/3"]
)
def test_a_version_that_cannot_be_had_is_refused(store: Store, given: str) -> None:
    with pytest.raises(ModelError, match=r"models:/|registry|proxy"):
        fetch_model(given, store, registry("mlflow-artifacts:/1") if given.endswith("3") else registry("file:///none"))


def test_without_a_registry_a_registered_name_is_refused(store: Store) -> None:
    with pytest.raises(ModelError, match="MLFLOW_TRACKING_URI"):
        fetch_model("models:/demo@champion", store)


@pytest.mark.parametrize("name", ["pytorch_model__bin", "optimizer__pt", "modeling_x__py", "x__pkl"])
def test_pickles_and_programs_are_refused_by_name(tmp_path: Path, store: Store, name: str) -> None:
    folder = model_folder(tmp_path / "seed", **{name: b"x"})
    with pytest.raises(ModelError, match=name.replace("__", r"\.")):
        fetch_model(str(folder), store)


def test_a_model_that_needs_its_own_code_is_refused(tmp_path: Path, store: Store) -> None:
    folder = model_folder(tmp_path / "seed")
    (folder / "config.json").write_text(json.dumps({"model_type": "mine", "auto_map": {"AutoModel": "m.M"}}))
    with pytest.raises(ModelError, match=r"auto_map.*never run"):
        fetch_model(str(folder), store)


def test_an_architecture_of_transformers_may_name_code_that_is_not_run(tmp_path: Path, store: Store) -> None:
    folder = model_folder(tmp_path / "seed")
    (folder / "config.json").write_text(json.dumps({"model_type": "idefics3", "auto_map": {"AutoModel": "m.M"}}))
    assert fetch_model(str(folder), store)[0] == folder


def test_weights_that_the_index_lists_must_be_there(tmp_path: Path, store: Store) -> None:
    index = json.dumps({"weight_map": {"a": "model-1.safetensors"}}).encode()
    folder = model_folder(tmp_path / "seed", model__safetensors__index__json=index)
    with pytest.raises(ModelError, match=r"lacks model-1\.safetensors"):
        fetch_model(str(folder), store)


@pytest.mark.parametrize("given", ["/none/at/all", "ftp://host/model", "hf://only-one-part", "hf://a/b/c"])
def test_what_is_no_model_is_refused_with_what_would_be(store: Store, given: str) -> None:
    with pytest.raises(ModelError, match=r"no folder|give a folder|hf://owner/name"):
        fetch_model(given, store)


def hub_repository(home: Path, kind: str, name: str, files: dict[str, bytes]) -> None:
    """A repository as it lies in the hub's cache: blobs, and a snapshot of links to them."""
    root = home / "hub" / f"{kind}--{name.replace('/', '--')}"
    (root / "blobs").mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    for number, (path, data) in enumerate(files.items()):
        (root / "blobs" / f"{number:040x}").write_bytes(data)
        link = root / "snapshots" / COMMIT / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(root / "blobs" / f"{number:040x}", link.parent))


def offline(home: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process whose hub is the cache under `home` alone: the hub's client reads that at import."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment = {**clean, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


FETCH = """
from ratchet.errors import ModelError
from ratchet.sources import fetch_model
from ratchet.store import FolderStore
for given in {given!r}:
    try:
        folder, description = fetch_model(given, FolderStore({root!r}))
        print(description, *sorted(p.name for p in folder.iterdir() if not p.is_symlink()))
    except ModelError as error:
        print(error)
"""


def test_a_hub_model_comes_from_the_cache_pinned_and_without_pickles(tmp_path: Path) -> None:
    made = model_folder(
        tmp_path / "made", tokenizer__json=b"{}", chat_template__jinja=b"x", pytorch_model__bin=b"x", m__py=b"x"
    )
    files = {p.name: p.read_bytes() for p in made.iterdir()}
    hub_repository(tmp_path / "home", "models", "org/seed", {**files, "onnx/model.json": b"{}"})
    given = ["hf://org/seed", "hf://org/seed@main", f"hf://org/seed@{COMMIT}", "hf://org/none"]
    done = offline(tmp_path / "home", FETCH.format(given=given, root=str(tmp_path / "store")))
    *found, missing = done.stdout.splitlines()
    kept = "chat_template.jinja config.json model.safetensors tokenizer.json"
    assert found == [f"hf://org/seed@{COMMIT} {kept}"] * 3, done.stderr
    assert missing.startswith("cannot fetch model org/none@main from the hub")
    assert "HF_TOKEN" in missing


IMPORT = """
from ratchet.importing import ImportOptions, import_prompts
from ratchet.store import FolderStore
report = import_prompts({given!r}, FolderStore({root!r}), ImportOptions(name="hub", split_column={split!r}))
print(report.accepted, report.splits["pool"], report.images)
"""


def test_a_hub_data_set_is_imported_from_the_cache(tmp_path: Path) -> None:
    table = parquet_file(tmp_path / "made" / "t.parquet", rows_of(6)).read_bytes()
    hub_repository(
        tmp_path / "home", "datasets", "org/dots", {"data/train-0.parquet": table, "load.py": b"raise SystemExit"}
    )
    code = IMPORT.format(given="hf://datasets/org/dots@main", root=str(tmp_path / "store"), split="split")
    done = offline(tmp_path / "home", code)
    assert done.stdout.split() == ["6", "6", "6"], done.stderr


def test_a_hub_data_sets_pictures_are_found_through_its_links(tmp_path: Path) -> None:
    rows = "".join(json.dumps(row) + "\n" for row in rows_of(3))
    files = {"rows.jsonl": rows.encode(), **{f"images/{n}.png": png(n) for n in range(3)}, "extra.csv": b"a\n1\n"}
    hub_repository(tmp_path / "home", "datasets", "org/dots", files)
    code = IMPORT.format(given="hf://datasets/org/dots/rows.jsonl", root=str(tmp_path / "store"), split=None)
    done = offline(tmp_path / "home", code)
    assert done.stdout.split()[::2] == ["3", "3"], done.stderr


def test_a_name_that_is_no_data_set_is_refused() -> None:
    with pytest.raises(PromptSetError, match="hf://datasets/owner/name"):
        fetch_dataset("hf://org/model")


def test_what_is_on_the_hub_is_refused_before_anything_where_its_client_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a pod of the core image."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    settings = Settings(root=str(tmp_path / "store"), registry="store")
    for seed, base in (("hf://org/seed", None), (str(tmp_path), "hf://org/base")):
        with pytest.raises(
            ModelError, match=r"hf://org/\w+ needs the Hugging Face client.*core image.*training image.*s3://"
        ):
            init_loop(settings, "mine", seed, base=base)
    with pytest.raises(PromptSetError, match="needs the Hugging Face client"):
        fetch_dataset("hf://datasets/org/dots")
    assert not (tmp_path / "store").exists()
