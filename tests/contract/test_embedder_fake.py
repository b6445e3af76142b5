"""The fake keeps what it stands in for."""

from __future__ import annotations

import pytest

from kbm.errors import ProviderUnavailable
from kbm.ports import Embedder
from kbm.testing.contracts.embedder import EmbedderContract
from kbm.testing.fakes import FakeEmbedder


class TestFakeEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return FakeEmbedder()


def test_it_counts_texts_and_calls() -> None:
    embedder = FakeEmbedder()
    embedder.embed(["a", "b"], "passage")
    embedder.embed(["c"], "question")

    assert (embedder.n_embedded, embedder.n_calls) == (3, 2)


def test_it_fails_after_the_given_number_of_texts_until_it_is_back() -> None:
    embedder = FakeEmbedder(fail_after=1)
    embedder.embed(["a"], "passage")
    with pytest.raises(ProviderUnavailable):
        embedder.embed(["b"], "passage")
    embedder.fail_after = None

    assert embedder.embed(["b"], "passage").shape == (1, 64)


def test_shared_words_make_texts_near() -> None:
    pump, pumps_too, leave = FakeEmbedder().embed(
        ["vent the pump", "the pump is vented", "days of leave"], "passage"
    )

    assert pump @ pumps_too > pump @ leave
