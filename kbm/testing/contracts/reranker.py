"""What every reranker must keep. Needs the fixture ``reranker``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kbm.ports import Reranker

QUESTION = "How is the pump vented?"
TEXTS = (
    "Pumps › Start\nThe pump must be vented before every start.",
    "Pumpen › Anlauf\nDie Pumpe muss vor jedem Start entlüftet werden.",
    "Leave\nEmployees get 30 days of leave.",
    "x",
    "",
    "\ud800 half a pair \x00",
    "The same sentence, again and again. " * 60,
)


class RerankerContract:
    """Inherit it and define the fixture ``reranker``."""

    def test_each_text_gets_a_finite_score(self, reranker: Reranker) -> None:
        scores = np.asarray(reranker.rerank(QUESTION, TEXTS), dtype=np.float64)

        assert scores.shape == (len(TEXTS),)
        assert np.isfinite(scores).all()

    def test_no_texts_give_no_scores(self, reranker: Reranker) -> None:
        assert len(reranker.rerank(QUESTION, [])) == 0

    def test_a_text_gets_the_same_score_whatever_it_is_given_with(self, reranker: Reranker) -> None:
        together = np.asarray(reranker.rerank(QUESTION, TEXTS))
        alone = np.asarray([reranker.rerank(QUESTION, [text])[0] for text in TEXTS])

        np.testing.assert_array_equal(alone, together)

    def test_many_threads_get_the_same(self, reranker: Reranker) -> None:
        expected = list(reranker.rerank(QUESTION, TEXTS))
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: list(reranker.rerank(QUESTION, TEXTS)), range(8)))

        assert all(one == expected for one in found)

    def test_it_has_a_name_and_a_digest_for_releases(self, reranker: Reranker) -> None:
        assert reranker.name
        assert len(reranker.digest) == 64
