"""MiniLm keeps what every embedder must."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from kbm.ports import Embedder
from kbm.providers.minilm import PACKAGE, MiniLm
from kbm.testing.contracts.embedder import TEXTS, EmbedderContract

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed"
)


@pytest.fixture(scope="module")
def embedders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MiniLm]:
    """One of each, so that each graph is built and loaded once."""
    folder = tmp_path_factory.mktemp("models")
    return {argument: MiniLm(argument, folder) for argument in ("", "threads=3", "int8")}


class TestMiniLm(EmbedderContract):
    @pytest.fixture
    def embedder(self, embedders: dict[str, MiniLm]) -> Embedder:
        return embedders[""]


class TestMiniLmWithThreads(EmbedderContract):
    @pytest.fixture
    def embedder(self, embedders: dict[str, MiniLm]) -> Embedder:
        return embedders["threads=3"]


class TestMiniLmInt8(EmbedderContract):
    @pytest.fixture
    def embedder(self, embedders: dict[str, MiniLm]) -> Embedder:
        return embedders["int8"]


def test_threads_change_no_bit_and_keep_the_digest(embedders: dict[str, MiniLm]) -> None:
    one, three = embedders[""], embedders["threads=3"]

    assert one.digest == three.digest
    assert one.embed(TEXTS, "passage").tobytes() == three.embed(TEXTS, "passage").tobytes()


def test_int8_is_near_full_precision_and_another_index_version(embedders: dict[str, MiniLm]) -> None:
    full, small = embedders[""], embedders["int8"]
    cosines = np.sum(full.embed(TEXTS, "passage") * small.embed(TEXTS, "passage"), axis=1)

    assert full.digest != small.digest
    assert cosines.min() > 0.96


def test_meaning_counts_more_than_words(embedders: dict[str, MiniLm]) -> None:
    question, answer, other = embedders[""].embed(
        [
            "How many days of holiday do I get?",
            "Employees are entitled to 30 days of annual leave.",
            "How many bolts do I get per box?",
        ],
        "passage",
    )

    assert question @ answer > question @ other
