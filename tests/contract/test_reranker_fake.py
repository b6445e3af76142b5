"""The fake keeps what it stands in for."""

from __future__ import annotations

import pytest

from kbm.errors import ProviderUnavailable
from kbm.ports import Reranker
from kbm.testing.contracts.reranker import RerankerContract
from kbm.testing.fakes import FakeReranker


class TestFakeReranker(RerankerContract):
    @pytest.fixture
    def reranker(self) -> Reranker:
        return FakeReranker()


def test_it_is_down_when_it_is_told_to_be() -> None:
    reranker = FakeReranker()
    reranker.down = True

    with pytest.raises(ProviderUnavailable):
        reranker.rerank("a", ["a"])
