"""PassageChunker keeps what every chunker must, at several limits."""

from __future__ import annotations

import pytest
from kbm_indexes.chunking import PassageChunker

from kbm.ports import Chunker
from kbm.testing.contracts.chunker import ChunkerContract


class TestPassages(ChunkerContract):
    @pytest.fixture
    def chunker(self) -> Chunker:
        return PassageChunker()


class TestShortPassages(ChunkerContract):
    @pytest.fixture
    def chunker(self) -> Chunker:
        return PassageChunker(max_words=30)
