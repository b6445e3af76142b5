"""What settings of a LlamaIndex source are taken, and a reader of LlamaIndex's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kbm_connectors.llamaindex import LlamaIndexConnector

from kbm.errors import ConfigError, ConnectorError, ConnectorRefused
from tests.contract.llamaindex_readers import READERS, SECRET, Readers, refs


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Readers:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "kbm_test_readers.py").write_text(READERS)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    return Readers(tmp_path)


@pytest.fixture
def three(source: Readers) -> Readers:
    for id in ("a", "b", "c"):
        source.make(id, f"Der Text von {id}.")
    return source


# --- what a person must do


@pytest.mark.parametrize(
    ("keys", "told", "hint"),
    [
        (
            {"reader": "llama_index.readers.nowhere:PageReader"},
            "there is no module llama_index.readers.nowhere",
            "install llama-index-readers-nowhere beside kbm",
        ),
        ({"reader": "no_such_module.at_all:X"}, "there is no module", "install no_such_module"),
        ({"reader": "JsonRaeder"}, "has no reader JsonRaeder", "JsonReader"),
        ({"reader": "Document"}, "has no reader Document", ""),
        (
            {"reader": "kbm_test_readers:NeedyReader", "arguments": {}},
            "package_that_is_nowhere",
            "install it",
        ),
        ({"arguments": {"pth": "items.json"}}, "unexpected keyword argument 'pth'", "documentation"),
        ({"load": {"all": True}}, "unexpected keyword argument 'all'", "documentation"),
    ],
)
def test_what_cannot_work_is_told_with_what_would(
    three: Readers, keys: dict[str, Any], told: str, hint: str
) -> None:
    with pytest.raises(ConnectorError) as error:
        list(three.connect(**keys).scan(None))
    assert isinstance(error.value, ConnectorRefused)
    assert told in str(error.value)
    assert hint in error.value.hint


@pytest.mark.parametrize(
    "keys",
    [
        {"reader": "no path"},
        {"reader": "os.path"},
        {"arguments": {"integration_token": SECRET}},
        {"arguments": {"deep": {"api_keys": [SECRET]}}},
        {"load": {"urls": [f"https://bert:{SECRET}@wiki.example"]}},
    ],
)
def test_settings_that_are_wrong_are_told_without_a_secret(source: Readers, keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as error:
        source.connect(**keys)
    assert SECRET not in f"{error.value}{error.value.hint}"


def test_keys_that_only_sound_secret_may_be_written(source: Readers) -> None:
    source.connect(
        arguments={"path": "x", "max_tokens": 5, "tokenizer": "bert", "credentials_path": "x.json"}
    )


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("llama_index.readers.web:SimpleWebPageReader", "llama_index.readers.web:SimpleWebPageReader"),
        ("./llama_index.readers.web:SimpleWebPageReader", "llama_index.readers.web:SimpleWebPageReader"),
        ("https://wiki.example", None),
        ("kbm_test_readers:JsonReader", None),
    ],
)
def test_an_import_path_is_told_by_its_look(url: str, found: str | None, tmp_path: Path) -> None:
    assert LlamaIndexConnector.recognises(url, tmp_path) == (found and {"reader": found})


# --- with LlamaIndex's own


def test_simple_directory_reader_is_read_by_its_paths(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "reise.md").write_text("# Reise\n\nMit der Bahn.")
    (tmp_path / "docs" / "essen.txt").write_text("Um zwölf.")
    keys = {
        "reader": "llama_index.core:SimpleDirectoryReader",
        "arguments": {"input_dir": "docs"},
        "format": "markdown",
        "complete": True,
        "id": "file_path",
    }
    connector = LlamaIndexConnector("docs", keys, tmp_path)
    found = {ref.title: ref for ref in refs(connector).values()}

    assert set(found) == {"reise.md", "essen.txt"}
    assert connector.fetch(found["essen.txt"]).data.decode() == "Um zwölf."
    assert found["reise.md"].modified is not None
