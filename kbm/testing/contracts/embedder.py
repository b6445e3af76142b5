"""What every embedder must keep. Needs the fixture ``embedder``."""

from __future__ import annotations

from typing import Literal

import numpy as np

from kbm.ports import Embedder

TEXTS = (
    "The pump must be vented before every start.",
    "Die Pumpe muss vor jedem Start entlüftet werden.",
    "Purgez la pompe avant chaque démarrage.",
    "Spare parts are ordered by e-mail.",
    "x",
    "The same sentence, again and again. " * 60,
    "Artikel | Preis\n4711 | 12,50 €",
)
ODD_TEXTS = (
    "",
    " ",
    "\n\t",
    "\x00",
    "\ud800 half a pair",
    "日本語のテキスト",
    "🙂" * 50,
    "a" * 5000,
    "ﬁ\u200b\u0301",
)
PURPOSES: tuple[Literal["passage", "question"], ...] = ("passage", "question")


class EmbedderContract:
    """Inherit it and define the fixture ``embedder``."""

    def test_the_result_has_one_row_per_text_as_float32(self, embedder: Embedder) -> None:
        for purpose in PURPOSES:
            vectors = embedder.embed(TEXTS, purpose)

            assert vectors.shape == (len(TEXTS), embedder.dimensions)
            assert vectors.dtype == np.float32

    def test_rows_have_unit_length(self, embedder: Embedder) -> None:
        for purpose in PURPOSES:
            lengths = np.linalg.norm(embedder.embed(TEXTS, purpose), axis=1)

            np.testing.assert_allclose(lengths, 1.0, atol=1e-5)

    def test_no_texts_give_an_empty_array_of_the_right_width(self, embedder: Embedder) -> None:
        assert embedder.embed([], "passage").shape == (0, embedder.dimensions)

    def test_odd_texts_give_unit_vectors_too(self, embedder: Embedder) -> None:
        vectors = embedder.embed(ODD_TEXTS, "passage")

        assert np.isfinite(vectors).all()
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)

    def test_a_text_gives_the_same_bits_whatever_it_is_embedded_with(self, embedder: Embedder) -> None:
        alone = np.vstack([embedder.embed([text], "passage") for text in TEXTS])
        order = np.random.default_rng(7).permutation(np.tile(np.arange(len(TEXTS)), 3))

        together = embedder.embed([TEXTS[at] for at in order], "passage")

        assert together.tobytes() == alone[order].tobytes()

    def test_a_text_is_nearest_to_itself(self, embedder: Embedder) -> None:
        vectors = embedder.embed(TEXTS, "passage")

        assert np.argmax(vectors @ vectors.T, axis=1).tolist() == list(range(len(TEXTS)))

    def test_the_digest_is_64_hex_digits(self, embedder: Embedder) -> None:
        assert len(embedder.digest) == 64
        assert int(embedder.digest, 16) >= 0

    def test_it_says_its_name(self, embedder: Embedder) -> None:
        assert embedder.name


__all__ = ["TEXTS", "EmbedderContract"]
