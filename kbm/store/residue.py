"""Looks for many byte strings at once in whatever lies on disk.

An erasure is proved by what is left, so the search must read everything: free pages, logs, files nobody knows of. It
takes one pass however much is looked for: a string of at least :data:`SHORTEST` bytes holds one whole 8-byte word
wherever it begins, so the words of a block are looked up in a table of all words the strings can show, and only
where one is met the bytes are compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHORTEST = 15
_WORD = 8
_BLOCK = 1 << 22
_TABLE_BITS = 20
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def usable(mark: bytes) -> bool:
    """Tell whether a string can be looked for: long enough, and not made of one byte repeated, as padding is."""
    return len(mark) >= SHORTEST and all(len(set(mark[at : at + _WORD])) >= 3 for at in range(_WORD))


class MarkSearch:
    """Finds which of some byte strings occur in data; strings are named by their place in *marks*."""

    def __init__(self, marks: Sequence[bytes]) -> None:
        """Take strings for which :func:`usable` holds."""
        self.marks = tuple(marks)
        self._longest = max(map(len, marks), default=0)
        owners: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for at, mark in enumerate(self.marks):
            for offset in range(_WORD):
                owners[int.from_bytes(mark[offset : offset + _WORD], "little")].append((at, offset))
        self._words = np.array(sorted(owners), dtype=np.uint64)
        self._owners = [owners[word] for word in self._words.tolist()]
        self._table = np.zeros(1 << _TABLE_BITS, dtype=np.bool_)
        self._table[_places(self._words)] = True

    def find(self, data: bytes) -> set[int]:
        """Tell which strings occur in *data*."""
        found: set[int] = set()
        if not self._owners:
            return found
        words = np.frombuffer(data, dtype="<u8", count=len(data) // _WORD)
        at = np.flatnonzero(self._table[_places(words)])
        near = np.minimum(np.searchsorted(self._words, words[at]), self._words.size - 1)
        met = self._words[near] == words[at]
        for place, word in zip(at[met].tolist(), near[met].tolist(), strict=True):
            for mark, offset in self._owners[word]:
                start = place * _WORD - offset
                if mark not in found and start >= 0 and data.startswith(self.marks[mark], start):
                    found.add(mark)
        return found

    def find_in_file(self, path: Path) -> tuple[set[int], int]:
        """Tell which strings occur in a file, and how many bytes were read; a file that is gone holds none."""
        found: set[int] = set()
        n = 0
        try:
            for block, n_fresh in _blocks(path, max(self._longest - 1, 0)):
                found |= self.find(block)
                n += n_fresh
        except FileNotFoundError:
            return set(), 0
        return found, n


def files_below(folder: Path, *, skip: Collection[Path] = ()) -> Iterator[Path]:
    """List all files below a folder, without those in the folders *skip*; links are not followed."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not any(path.is_relative_to(one) for one in skip):
            yield path


def _blocks(path: Path, overlap: int) -> Iterator[tuple[bytes, int]]:
    """Give a file in blocks, each with the end of the one before: a string may lie across the border.

    The number says how many bytes of a block are new.
    """
    tail = b""
    with path.open("rb") as file:
        while data := file.read(_BLOCK):
            block = tail + data
            yield block, len(data)
            tail = block[-overlap:] if overlap else b""


def _places(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return (words * _SPREAD) >> np.uint64(64 - _TABLE_BITS)
