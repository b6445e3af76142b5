"""Average linkage with weights, in as much memory as one matrix of 4-byte cosines.

Libraries take a matrix of 8-byte distances and copy it, and know no weights; the tree they give goes up to one root,
although nobody looks at merges between questions that have nothing in common. This one merges by nearest-neighbour
chains and stops where the cosine falls below *least*: the average of two cosines is never above the larger one, so a
cluster whose nearest neighbour is farther away than that stays alone for good.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
_GONE = np.float32(-2)
_BLOCK = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A forest. Node numbers below ``n`` are points; node ``n + i`` joins ``children[i]`` at cosine ``joined[i]``."""

    n: int
    children: tuple[tuple[int, int], ...]
    joined: tuple[float, ...]

    def roots(self) -> list[int]:
        """Give the nodes that nothing joins, by their smallest point."""
        below = {child for pair in self.children for child in pair}
        tops = [node for node in range(self.n + len(self.children)) if node not in below]
        return sorted(tops, key=lambda node: min(self.points(node)))

    def cosine(self, node: int) -> float:
        """Give the cosine at which a node was joined; 1 for a point."""
        return self.joined[node - self.n] if node >= self.n else 1.0

    def points(self, node: int) -> list[int]:
        """Give the points below a node, in order."""
        found, open_nodes = [], [node]
        while open_nodes:
            one = open_nodes.pop()
            if one < self.n:
                found.append(one)
            else:
                open_nodes.extend(self.children[one - self.n])
        return sorted(found)


def average_linkage(vectors: Vectors, weights: NDArray[np.float32], *, least: float) -> Tree:
    """Join *vectors* (unit length) bottom-up by average cosine, a point counting *weights* times, down to *least*."""
    n = len(vectors)
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, _GONE)
    size = weights.astype(np.float32).copy()
    node = np.arange(n)
    alive = np.ones(n, dtype=np.bool_)
    children: list[tuple[int, int]] = []
    joined: list[float] = []
    chain: list[int] = []
    start = 0
    while True:
        if not chain:
            while start < n and not alive[start]:
                start += 1
            if start == n:
                break
            chain.append(start)
        one = chain[-1]
        other = int(likeness[one].argmax())
        best = likeness[one, other]
        if best < least:
            alive[one] = False
            likeness[one] = likeness[:, one] = _GONE
            chain.pop()
        elif len(chain) > 1 and best <= likeness[one, chain[-2]]:
            other = chain[-2]
            del chain[-2:]
            keep, drop = min(one, other), max(one, other)
            children.append((int(node[keep]), int(node[drop])))
            joined.append(float(best))
            both = size[keep] + size[drop]
            row = (likeness[keep] * size[keep] + likeness[drop] * size[drop]) / both
            row[~alive] = _GONE
            row[[keep, drop]] = _GONE
            likeness[keep] = likeness[:, keep] = row
            likeness[drop] = likeness[:, drop] = _GONE
            alive[drop] = False
            size[keep] = both
            node[keep] = n + len(children) - 1
        else:
            chain.append(other)
    return Tree(n=n, children=tuple(children), joined=tuple(joined))


def near_duplicates(vectors: Vectors, *, least: float) -> NDArray[np.int64]:
    """Give each vector its leader: the nearest earlier leader with a cosine from *least* on, else itself."""
    leader = np.arange(len(vectors))
    leaders: list[int] = []
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        before = np.array(leaders, dtype=np.int64)
        to_earlier = block @ vectors[before].T if len(before) else np.empty((len(block), 0), dtype=np.float32)
        within = block @ block.T
        new: list[int] = []
        for at in range(len(block)):
            options = [(float(within[at, other]), start + other) for other in new]
            if len(before):
                best = int(to_earlier[at].argmax())
                options.append((float(to_earlier[at, best]), int(before[best])))
            cosine, found = max(options, default=(-1.0, -1), key=lambda option: (option[0], -option[1]))
            if cosine >= least:
                leader[start + at] = found
            else:
                new.append(at)
        leaders.extend(start + at for at in new)
    return leader
