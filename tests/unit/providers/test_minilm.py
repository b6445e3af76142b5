"""MiniLm's files: found without importing, built once, mended when damaged, shared between processes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbm.errors import ConfigError, ModelMissing
from kbm.providers.minilm import PACKAGE, TOKENIZER, WEIGHTS, MiniLm, find_files

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def model(folder: Path) -> MiniLm:
    return MiniLm("", folder)


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the package index's copy invisible, as on a machine without it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)


@needs_weights
def test_neither_onnxruntime_nor_the_package_is_imported_before_the_first_text(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from kbm.providers.minilm import MiniLm;"
        f"MiniLm('', Path({str(folder)!r})).digest;"
        f"print([m for m in ('onnx', 'onnxruntime', 'tokenizers', 'safetensors', {PACKAGE!r}) if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


@needs_weights
@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(12)), size=st.integers(1, 12))
def test_order_and_company_change_no_bit(model: MiniLm, order: list[int], size: int) -> None:
    texts = [" ".join(f"word{n}" for n in range(at * 3)) for at in range(12)]
    alone = np.vstack([model.embed([text], "passage") for text in texts])

    parts = [model.embed([texts[at] for at in order[i : i + size]], "passage") for i in range(0, 12, size)]

    assert np.vstack(parts).tobytes() == alone[order].tobytes()


@needs_weights
def test_what_is_beyond_the_last_token_is_not_seen(model: MiniLm) -> None:
    long = "word " * 400

    assert model.embed([long], "passage").tobytes() == model.embed([long + "other"], "passage").tobytes()


@needs_weights
@pytest.mark.parametrize("damage", ["truncated", "one bit"])
def test_a_damaged_graph_is_built_anew(folder: Path, model: MiniLm, damage: str) -> None:
    expected = model.embed(["x"], "passage")
    (graph,) = folder.glob("minilm-fp32-*.onnx")
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(bytes({"truncated": data[:1000], "one bit": data}[damage]))

    again = MiniLm("", folder).embed(["x"], "passage")

    assert again.tobytes() == expected.tobytes()
    assert list(folder.glob("minilm-fp32-*.onnx")) == [graph]
    assert not list(folder.glob(".minilm-*"))


@needs_weights
def test_two_processes_may_build_at_once(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from kbm.providers.minilm import MiniLm;"
        f"print(MiniLm('', Path({str(tmp_path)!r})).embed(['x'], 'passage').tobytes().hex()[:64])"
    )
    command = [sys.executable, "-c", program]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    outputs = [process.communicate() for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0] == outputs[1]
    assert outputs[0][1] == ""
    assert len(list(tmp_path.glob("*.onnx"))) == 1


@needs_weights
def test_a_note_of_the_hash_that_is_damaged_or_stale_is_written_anew(tmp_path: Path) -> None:
    expected = MiniLm("", tmp_path).digest
    note = tmp_path / "minilm.hash.json"
    for damaged in (b"", b"[]", b"{", b'{"stamp": [], "hash": "0"}'):
        note.write_bytes(damaged)

        assert MiniLm("", tmp_path).digest == expected


@pytest.mark.usefixtures("no_package")
def test_without_weights_the_hint_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as missing:
        MiniLm("", tmp_path)

    assert "kbm models add minilm" in missing.value.hint


def test_weights_in_the_data_folder_come_first(tmp_path: Path) -> None:
    own = tmp_path / "minilm"
    own.mkdir()
    (own / WEIGHTS).write_bytes(b"")
    (own / TOKENIZER).write_bytes(b"")

    assert find_files(tmp_path) == own


@pytest.mark.usefixtures("no_package")
def test_weights_that_cannot_be_read_are_missing_weights(tmp_path: Path) -> None:
    own = tmp_path / "minilm"
    own.mkdir()
    (own / WEIGHTS).write_bytes(b"not weights")
    (own / TOKENIZER).write_text(EMPTY_TOKENIZER)

    with pytest.raises(ModelMissing, match="cannot be read"):
        MiniLm("", tmp_path).embed(["x"], "passage")


@pytest.mark.parametrize("argument", ["int4", "threads=0", "threads=x", "int8,foo"])
def test_an_unknown_argument_is_refused(tmp_path: Path, argument: str) -> None:
    with pytest.raises(ConfigError, match="does not understand"):
        MiniLm(argument, tmp_path)


EMPTY_TOKENIZER = (
    '{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,'
    ' "pre_tokenizer": null, "post_processor": null, "decoder": null,'
    ' "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}}'
)
