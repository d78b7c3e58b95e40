from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest

from ratchet import models
from ratchet.errors import ModelError
from ratchet.model_files import CARD
from ratchet.store import FolderStore
from tests import tiny


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What looks like a model, without any weights."""
    made = tmp_path / "model"
    (made / "sub").mkdir(parents=True)
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "sub" / "notes.txt").write_text("notes")
    (made / ".cache").mkdir()
    (made / ".cache" / "left").write_text("hidden")
    return made


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("real"))


def test_a_model_comes_back_as_it_went_in(store, folder, tmp_path):
    ref = models.upload(store, folder, "tiny")
    fetched = models.fetch(store, ref, tmp_path / "cache")
    found = {p.relative_to(fetched).as_posix(): p.read_bytes() for p in fetched.rglob("*") if p.is_file()}
    assert CARD in found, "who trains on it must know what it is"
    del found[CARD]
    assert found == {"config.json": b"{}", "model.safetensors": b"weights", "sub/notes.txt": b"notes"}
    assert ref.uri == store.uri(f"models/tiny/{ref.digest}")


def test_the_digest_follows_the_content_and_not_the_name(store, folder):
    first = models.upload(store, folder, "one")
    assert models.upload(store, folder, "two").digest == first.digest
    (folder / "model.safetensors").write_bytes(b"other")
    assert models.upload(store, folder, "one").digest != first.digest


def test_the_card_is_written_last_and_a_second_upload_writes_nothing(store, folder, monkeypatch):
    written: list[str] = []
    put_file, put = FolderStore.put_file, FolderStore.put
    monkeypatch.setattr(FolderStore, "put_file", lambda s, k, p: (written.append(k), put_file(s, k, p))[1])
    monkeypatch.setattr(FolderStore, "put", lambda s, k, d: (written.append(k), put(s, k, d))[1])
    models.upload(store, folder, "tiny")
    assert written[-1].endswith(CARD)
    written.clear()
    models.upload(store, folder, "tiny")
    assert written == []


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "x.pt", "x.pth", "x.pkl", "sub/x.ckpt", "modeling.py", "X.PKL", "lib.so", "a.npy"]
)
def test_pickles_and_programs_are_refused(store, folder, name):
    (folder / name).write_bytes(b"x")
    with pytest.raises(ModelError, match=r"could run code|bring their own code"):
        models.upload(store, folder, "tiny")
    assert not list(store.list("models/"))


@pytest.mark.parametrize("head", [b"\x80\x04\x95rest", b"PK\x03\x04rest"])
def test_a_pickle_under_another_name_is_refused(store, folder, head):
    (folder / "weights.json").write_bytes(head)
    with pytest.raises(ModelError, match="begins like a pickle"):
        models.upload(store, folder, "tiny")


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_followed(store, folder, tmp_path):
    (folder / "copy.json").symlink_to(folder / "config.json")
    models.upload(store, folder, "tiny")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ModelError, match="link out of its folder"):
        models.upload(store, folder, "tiny")


def test_a_linked_folder_is_refused(store, folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (folder / "linked").symlink_to(tmp_path / "outside")
    with pytest.raises(ModelError, match="link out of its folder"):
        models.upload(store, folder, "tiny")


@pytest.mark.parametrize("gone", ["config.json", "model.safetensors"])
def test_a_folder_that_is_no_model_is_refused(store, folder, gone):
    (folder / gone).unlink()
    with pytest.raises(ModelError, match=r"needs config.json and \*.safetensors"):
        models.upload(store, folder, "tiny")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 200])
def test_names_that_are_no_key_are_refused(store, folder, name):
    with pytest.raises(ModelError, match="model name"):
        models.upload(store, folder, name)


def test_changed_bytes_are_refused_and_leave_nothing_behind(store, folder, tmp_path):
    ref = models.upload(store, folder, "tiny")
    store.put(f"models/tiny/{ref.digest}/model.safetensors", b"WEIGHTS")
    with pytest.raises(ModelError, match="does not have the SHA-256"):
        models.fetch(store, ref, tmp_path / "cache")
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_an_unfinished_upload_is_refused(store, folder, tmp_path):
    ref = models.upload(store, folder, "tiny")
    store.delete(f"models/tiny/{ref.digest}/{CARD}")
    with pytest.raises(ModelError, match="did not finish"):
        models.fetch(store, ref, tmp_path / "cache")


@pytest.mark.parametrize(("path", "message"), [("../../evil.txt", "outside of the model"), ("x.pkl", "pickle")])
def test_a_card_that_lists_what_it_must_not_is_refused(store, folder, tmp_path, path, message):
    ref = models.upload(store, folder, "tiny")
    key = f"models/tiny/{ref.digest}/{CARD}"
    card = json.loads(store.get(key))
    card["files"].append({"path": path, "sha256": "0" * 64, "size": 1})
    store.put(key, json.dumps(card).encode())
    with pytest.raises(ModelError, match=message):
        models.fetch(store, ref, tmp_path / "cache")


def test_a_card_of_other_files_is_refused(store, folder, tmp_path):
    ref = models.upload(store, folder, "tiny")
    key = f"models/tiny/{ref.digest}/{CARD}"
    card = json.loads(store.get(key))
    card["files"][0]["sha256"] = "0" * 64
    store.put(key, json.dumps(card).encode())
    with pytest.raises(ModelError, match="it was changed"):
        models.fetch(store, ref, tmp_path / "cache")


def test_a_fetched_model_is_not_fetched_again_unless_it_was_damaged(store, folder, tmp_path, monkeypatch):
    ref = models.upload(store, folder, "tiny")
    fetched = models.fetch(store, ref, tmp_path / "cache")
    calls: list[str] = []
    get_file = FolderStore.get_file
    monkeypatch.setattr(FolderStore, "get_file", lambda s, k, p: (calls.append(k), get_file(s, k, p))[1])
    assert models.fetch(store, ref, tmp_path / "cache") == fetched
    assert calls == []
    (fetched / "model.safetensors").unlink()
    models.fetch(store, ref, tmp_path / "cache")
    assert (fetched / "model.safetensors").read_bytes() == b"weights"


def test_a_killed_fetch_leaves_no_model_and_the_next_one_succeeds(store, folder, tmp_path, monkeypatch):
    ref = models.upload(store, folder, "tiny")

    class Killed(BaseException):
        pass

    def killed(self, key, path):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "get_file", killed)
        with pytest.raises(Killed):
            models.fetch(store, ref, tmp_path / "cache")
    assert not (tmp_path / "cache" / "models" / ref.digest).exists()
    assert models.fetch(store, ref, tmp_path / "cache").is_dir()


def test_concurrent_fetches_all_get_the_whole_model(store, folder, tmp_path):
    ref = models.upload(store, folder, "tiny")
    failures: list[BaseException] = []
    start = threading.Barrier(8)

    def one() -> None:
        try:
            start.wait()
            place = models.fetch(store, ref, tmp_path / "cache")
            assert (place / "model.safetensors").read_bytes() == b"weights"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [p.name for p in (tmp_path / "cache" / "models").iterdir()] == [ref.digest]


def test_the_default_cache_is_a_private_folder(store, folder, tmp_path, monkeypatch):
    monkeypatch.delenv("RATCHET_CACHE", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fetched = models.fetch(store, models.upload(store, folder, "tiny"))
    assert fetched.parent.parent == tmp_path
    assert fetched.parent.stat().st_mode & 0o077 == 0


def test_a_model_loads_with_its_processor_ready_to_generate(real):
    model, processor = models.load(real)
    assert str(model.dtype) == "torch.float32"
    assert not model.training
    assert processor.tokenizer.padding_side == "left"


def test_a_model_without_chat_template_is_refused(real, tmp_path):
    shutil.copytree(real, tmp_path / "m")
    (tmp_path / "m" / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="has no chat template"):
        models.load(tmp_path / "m")


def test_a_text_model_is_refused(real, tmp_path):
    shutil.copytree(real, tmp_path / "m")
    config = json.loads((real / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps(config["text_config"]))
    with pytest.raises(ModelError, match="does not load as an image-text model"):
        models.load(tmp_path / "m")


def test_weights_that_do_not_belong_to_the_configuration_are_refused(real, tmp_path):
    shutil.copytree(real, tmp_path / "m")
    config = json.loads((real / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] += 1
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="does not belong to its weights"):
        models.load(tmp_path / "m")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json"):
        models.load(tmp_path)


def test_weights_that_are_cut_are_refused_in_words(real, tmp_path):
    shutil.copytree(real, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"do not fit its config\.json, or are cut"):
        models.load(tmp_path / "cut")


def test_weights_of_another_shape_are_refused_in_words(real, tmp_path):
    shutil.copytree(real, tmp_path / "other")
    config = tmp_path / "other" / "config.json"
    changed = json.loads(config.read_text())
    changed["text_config"]["intermediate_size"] *= 2
    config.write_text(json.dumps(changed))
    with pytest.raises(ModelError, match=r"weights in .*other do not fit its config\.json"):
        models.load(tmp_path / "other")
