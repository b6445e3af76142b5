"""What every vector store must do, as tests to inherit::

    class TestMyStore(VectorStoreContract):
        def open(self, folder: Path, embedder_digest: str, dimensions: int) -> VectorStore:
            return MyStore(folder, embedder_digest, dimensions)

The suite is strict where others rely on it: vectors come back bit for bit, because a release's digest is made of
them; a second ``add`` changes nothing, because a job that was killed is simply run again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import pytest

from kbm.domain.identity import VectorKey
from kbm.errors import Busy
from kbm.ports import Vectors, VectorStore

_DIMENSIONS = 16
_EMBEDDER = "a digest / of any: length"


class VectorStoreContract(ABC):
    """Inherit and say how to open a store; the folder may be ignored by a server."""

    many = 6_000
    """Enough to need several batches; lower it for a slow server."""

    @abstractmethod
    def open(self, folder: Path, embedder_digest: str, dimensions: int) -> VectorStore:
        """Open the store, or make it."""

    def test_vectors_come_back_bit_for_bit_also_after_reopening(self, tmp_path: Path) -> None:
        keys, vectors = sample(500)
        # What a store is tempted to tidy up: a length that is not quite 1, a negative zero, a denormal.
        vectors[3] *= np.float32(1.0001)
        vectors[4, 2] = -0.0
        vectors[5, 2] = 1e-41
        store = self.open(tmp_path, _EMBEDDER, _DIMENSIONS)
        store.add(keys, vectors)
        before = store.get(keys)
        store.close()
        store = self.open(tmp_path, _EMBEDDER, _DIMENSIONS)

        after = store.get(keys)

        expected = {key: vector.tobytes() for key, vector in zip(keys, vectors, strict=True)}
        assert {key: vector.tobytes() for key, vector in before.items()} == expected
        assert {key: vector.tobytes() for key, vector in after.items()} == expected
        assert all(vector.dtype == np.float32 for vector in after.values())
        store.close()

    def test_what_is_erased_is_gone_and_all_else_stays_bit_for_bit(self, tmp_path: Path) -> None:
        keys, vectors = sample(300)
        store = self.open(tmp_path / "store", _EMBEDDER, _DIMENSIONS)
        store.add(keys, vectors)

        store.erase([*keys[:10], VectorKey("f" * 32)])

        left = {key: vector.tobytes() for key, vector in zip(keys[10:], vectors[10:], strict=True)}
        assert {key: vector.tobytes() for key, vector in store.get(keys).items()} == left
        assert store.count() == 290
        store.add(keys[:1], vectors[:1])
        assert store.count() == 291
        store.close()
        store = self.open(tmp_path / "store", _EMBEDDER, _DIMENSIONS)
        assert store.count() == 291
        store.close()

    def test_what_is_not_retained_goes_once_there_is_enough_of_it(self, tmp_path: Path) -> None:
        keys, vectors = sample(300)
        other = self.open(tmp_path / "store", "another embedder", _DIMENSIONS)
        other.add(keys[:100], vectors[:100])
        other.close()
        store = self.open(tmp_path / "store", _EMBEDDER, _DIMENSIONS)
        store.add(keys, vectors)

        assert store.retain({_EMBEDDER: keys[:200], "another embedder": keys[:100]}, waste=0.5) == 0
        assert store.count() == 300
        assert store.retain({_EMBEDDER: keys[:40], "another embedder": keys[:10]}, waste=0.5) == 350

        left = {key: vector.tobytes() for key, vector in zip(keys[:40], vectors[:40], strict=True)}
        assert {key: vector.tobytes() for key, vector in store.get(keys).items()} == left
        assert store.query(vectors[3], 1)[0][0] == keys[3]
        store.close()
        other = self.open(tmp_path / "store", "another embedder", _DIMENSIONS)
        assert other.count() == 10
        other.close()

    def test_a_key_keeps_its_first_vector(self, tmp_path: Path) -> None:
        keys, vectors = sample(3)
        store = self.open(tmp_path, _EMBEDDER, _DIMENSIONS)
        store.add(keys[:2], vectors[:2])

        store.add([keys[2], keys[1]], vectors[:2])
        store.add([keys[2], keys[2]], vectors[:2])

        assert store.count() == 3
        assert store.get([keys[1]])[keys[1]].tobytes() == vectors[1].tobytes()
        assert store.get([keys[2]])[keys[2]].tobytes() == vectors[0].tobytes()
        store.close()

    def test_a_key_twice_in_one_call_gets_its_first_vector(self, tmp_path: Path) -> None:
        keys, vectors = sample(2)
        store = self.open(tmp_path, _EMBEDDER, _DIMENSIONS)

        store.add([keys[0], keys[0]], vectors)

        assert store.count() == 1
        assert store.get([keys[0]])[keys[0]].tobytes() == vectors[0].tobytes()
        store.close()

    def test_more_than_one_batch_is_stored_and_given_back(self, tmp_path: Path) -> None:
        keys, vectors = sample(self.many)
        store = self.open(tmp_path, _EMBEDDER, _DIMENSIONS)

        store.add(keys, vectors)

        found = store.get(keys)
        assert store.count() == len(found) == self.many
        assert all(
            found[key].tobytes() == vector.tobytes() for key, vector in zip(keys, vectors, strict=True)
        )
        store.close()

    def test_missing_keys_are_left_out(self, tmp_path: Path) -> None:
        keys, vectors = sample(3)
        store = self.open(tmp_path, _EMBEDDER, _DIMENSIONS)
        store.add(keys[:1], vectors[:1])

        assert list(store.get(keys)) == keys[:1]
        assert store.get([]) == {}
        store.close()

    def test_nothing_is_a_fine_thing_to_add_and_to_ask(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, _EMBEDDER, _DIMENSIONS)

        store.add([], np.zeros((0, _DIMENSIONS), dtype=np.float32))

        assert store.count() == 0
        assert store.query(sample(1)[1][0], 5) == []
        store.close()

    def test_the_nearest_come_first_with_their_cosine(self, tmp_path: Path) -> None:
        keys, vectors = sample(50)
        store = self.open(tmp_path, _EMBEDDER, _DIMENSIONS)
        store.add(keys, vectors)

        found = store.query(vectors[7], 5)

        cosine = dict(zip(keys, vectors.astype(np.float64) @ vectors[7], strict=True))
        assert found[0][0] == keys[7]
        assert [key for key, _ in found] == sorted(cosine, key=lambda key: -cosine[key])[:5]
        assert all(abs(score - cosine[key]) < 1e-5 for key, score in found)
        assert store.query(vectors[7], 0) == []
        assert len(store.query(vectors[7], 500)) == 50
        store.close()

    @pytest.mark.parametrize("wrong", ["shape", "nan"])
    def test_an_unfit_vector_is_refused_and_nothing_stored(self, tmp_path: Path, wrong: str) -> None:
        keys, vectors = sample(2)
        store = self.open(tmp_path, _EMBEDDER, _DIMENSIONS)
        if wrong == "nan":
            vectors[1, 1] = np.nan

        with pytest.raises(ValueError):
            store.add(keys, vectors if wrong == "nan" else vectors[:, 1:])

        assert store.count() == 0
        store.close()

    def test_embedders_are_kept_apart_and_dropped_apart(self, tmp_path: Path) -> None:
        keys, vectors = sample(4)
        first = self.open(tmp_path, "first", _DIMENSIONS)
        first.add(keys, vectors)
        first.close()
        second = self.open(tmp_path, "second", 3)
        second.add(keys[:1], vectors[:1, :3])
        second.drop()
        assert second.count() == 0
        second.add(keys[:2], vectors[:2, :3])
        second.close()

        first = self.open(tmp_path, "first", _DIMENSIONS)

        assert first.count() == 4
        first.close()

    def test_a_second_opener_is_told_that_it_is_busy(self, tmp_path: Path) -> None:
        store = self.open(tmp_path, _EMBEDDER, _DIMENSIONS)

        with pytest.raises(Busy):
            self.open(tmp_path, _EMBEDDER, _DIMENSIONS)

        store.close()
        store.close()
        self.open(tmp_path, _EMBEDDER, _DIMENSIONS).close()


def sample(n: int) -> tuple[list[VectorKey], Vectors]:
    """Make *n* keys and vectors of unit length, the same ones each time."""
    vectors = np.random.default_rng(7).normal(size=(n, _DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [VectorKey(f"{at:032x}") for at in range(n)], vectors
