"""Failed questions into gaps, themes above them, and what was seen once or twice.

Average linkage over what questions mean (seven tenths) and the words they use (three tenths), and **cuts of one
tree**. The cut is not fixed: a log about one product needs a higher cosine than one about everything, and the spread
of the log's own pairs tells which (their mean and three standard deviations, within bounds). Below a *core* at the
cut a looser one is looked at: questions that form no core anywhere near may still be a small gap, asked three times
in three ways, and where a core already is most of what lies near, the rest belongs to it. ``python -m bench gaps``
compares this with one cut through meanings alone.

The same questions in any order give the same groups with the same ids: they are put in order by their words first,
nothing is drawn at random, and the spread of all pairs has a closed form.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kbm.domain.gaps import FailedQuestion, Group, Grouping, Theme
from kbm.domain.identity import digest
from kbm.domain.language import guess_language
from kbm_agents.linkage import Tree, average_linkage, near_duplicates
from kbm_agents.words import folded, word_vectors

Vectors = NDArray[np.float32]

OF_WORDS = 0.3
"""Share of the words in how near two questions are."""
N_CENTRAL = 10
_MEMBER_OF = 0.6
"""Share of a loose group that its only core must be for the rest to join it."""
_COLLAPSE_AT = 0.80
_PAIRS_TO_TELL = 30
"""Questions from which their own spread tells the cut; fewer take the middle of its bounds."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Bounds of the cut as cosines of the blend; how much looser the second look is; the cut of themes."""

    low: float
    high: float
    looser: float
    theme: float


ENGLISH = Cuts(low=0.45, high=0.54, looser=0.10, theme=0.32)
OTHER = Cuts(low=0.45, high=0.50, looser=0.10, theme=0.34)
"""For texts in a language that the embedder was not trained on: it finds unrelated ones too near."""
WORDS = Cuts(low=0.26, high=0.36, looser=0.05, theme=0.16)
"""Without an embedder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From how many different questions on near duplicates are taken for one, and the most that a tree holds."""

    collapse_from: int = 6_000
    in_tree: int = 12_000


LIMITS = Limits()


def least_size(n_asked: int) -> int:
    """Say how many questions make a gap: chance alone puts more of them side by side in a longer log."""
    for size, from_n in ((12, 30_000), (8, 10_000), (5, 2_000)):
        if n_asked >= from_n:
            return size
    return 3


def group_questions(
    questions: Sequence[FailedQuestion],
    vectors: Vectors | None,
    *,
    multilingual: bool = False,
    limits: Limits = LIMITS,
) -> Grouping:
    """Group *questions*; the ids are told apart by their whole content, so give each once.

    *vectors* are of unit length, one per question, or ``None`` without an embedder. *multilingual* says that the
    embedder was trained on German and French too. 5,000 questions take seconds; what does not fit into a tree
    (*limits*) is put to the groups of those asked most.
    """
    n_asked = sum(one.n_asked for one in questions)
    least = least_size(n_asked)
    if not questions:
        return Grouping(groups=(), themes=(), rare=(), cut=ENGLISH.low, min_size=least)
    points = _Points.of(questions, vectors, multilingual)
    cuts = (ENGLISH, OTHER) if vectors is not None else (WORDS, WORDS)
    foreign = points.foreign
    cut_of = [_cut(points.blend[foreign == other], cuts[other], points.blend) for other in (False, True)]
    found = _grown(points, cuts, cut_of, least, limits)
    groups: list[tuple[Group, int]] = []
    rare: list[str] = []
    for members, theme in found:
        if int(points.n_asked[members].sum()) < least:
            rare += points.ids_of(members)
        else:
            groups.append((points.group(members, vectors), theme))
    return _arranged(groups, rare, cut_of[int(foreign.mean() > 0.5)], least)


@dataclass(slots=True, kw_only=True)
class _Points:
    """Questions with the same words as one point each, in the order of their words."""

    ids: list[list[str]]
    rows: list[list[int]]
    """Which questions a point stands for, as given."""
    texts: list[str]
    n_asked: NDArray[np.int64]
    blend: Vectors
    foreign: NDArray[np.bool_]
    """In a language that the embedder was not trained on."""

    @classmethod
    def of(cls, questions: Sequence[FailedQuestion], vectors: Vectors | None, multilingual: bool) -> _Points:
        same: dict[str, list[int]] = {}
        order = sorted(range(len(questions)), key=lambda at: (questions[at].text, questions[at].id))
        for at in order:
            same.setdefault(folded(questions[at].text), []).append(at)
        texts = sorted(same)
        rows = [same[text] for text in texts]
        foreign = np.zeros(len(texts), dtype=np.bool_)
        blend = word_vectors(texts)
        if vectors is not None:
            foreign = _foreign(texts) & (not multilingual)
            meant = vectors[[at[0] for at in rows]]
            blend = np.hstack([meant * math.sqrt(1 - OF_WORDS), blend * math.sqrt(OF_WORDS)])
        return cls(
            ids=[[questions[at].id for at in one] for one in rows],
            rows=rows,
            texts=texts,
            n_asked=np.array([sum(questions[at].n_asked for at in one) for one in rows], dtype=np.int64),
            blend=blend.astype(np.float32),
            foreign=foreign,
        )

    def ids_of(self, members: Sequence[int]) -> list[str]:
        return [id for at in members for id in self.ids[at]]

    def group(self, members: Sequence[int], vectors: Vectors | None) -> Group:
        weight = self.n_asked[members].astype(np.float32)
        middle = weight @ self.blend[members]
        near = self.blend[members] @ middle
        nearest = sorted(range(len(members)), key=lambda at: (-float(near[at]), at))[:N_CENTRAL]
        ids = sorted(self.ids_of(members))
        centroid: tuple[float, ...] = ()
        if vectors is not None:
            mean = weight @ vectors[[self.rows[at][0] for at in members]]
            centroid = tuple(float(x) for x in mean / max(float(np.linalg.norm(mean)), 1e-12))
        return Group(
            id=digest("group", *ids)[:32],
            members=tuple(ids),
            n_asked=int(weight.sum()),
            central=tuple(self.ids[members[at]][0] for at in nearest),
            theme="",
            centroid=centroid,
        )


def _foreign(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which texts are not in English."""
    languages = [guess_language(text) for text in texts]
    told = Counter(language for language in languages if language)
    # "kilometergeld" alone is in no language; it is most likely in that of the log.
    usual = max(sorted(told), key=lambda language: told[language]) if told else "en"
    return np.array([(language or usual) != "en" for language in languages], dtype=np.bool_)


def _cut(vectors: Vectors, bounds: Cuts, everything: Vectors) -> float:
    """Give the mean cosine of all pairs plus three standard deviations, within *bounds*."""
    chosen = (vectors if len(vectors) >= _PAIRS_TO_TELL else everything).astype(np.float64)
    n = len(chosen)
    if n < _PAIRS_TO_TELL:
        return (bounds.low + bounds.high) / 2
    pairs = n * (n - 1)
    total = chosen.sum(axis=0)
    mean = (float(total @ total) - n) / pairs
    square = (float(np.square(chosen.T @ chosen).sum()) - n) / pairs
    spread = math.sqrt(max(0.0, square - mean * mean))
    return min(bounds.high, max(bounds.low, mean + 3 * spread))


def _grown(
    points: _Points, cuts: tuple[Cuts, Cuts], cut_of: Sequence[float], least: int, limits: Limits
) -> Iterator[tuple[list[int], int]]:
    """Give every group of points, small ones too, with the number of its theme."""
    n = len(points.texts)
    leader = near_duplicates(points.blend, least=_COLLAPSE_AT) if n > limits.collapse_from else np.arange(n)
    followers: dict[int, list[int]] = {}
    for at in range(n):
        followers.setdefault(int(leader[at]), []).append(at)
    leaders = sorted(followers, key=lambda at: (-int(points.n_asked[followers[at]].sum()), at))
    first, later = sorted(leaders[: limits.in_tree]), leaders[limits.in_tree :]
    weight = np.array([points.n_asked[followers[at]].sum() for at in first], dtype=np.float32)
    tree = average_linkage(points.blend[first], weight, least=min(one.theme for one in cuts))
    view = _View(tree, weight, points.foreign[first], cuts, cut_of)
    found = [([first[at] for at in members], theme) for members, theme in view.groups(least)]
    for members, theme in _with_later(points.blend, found, later, min(cut_of)):
        yield sorted(one for at in members for one in followers[at]), theme


def _with_later(
    blend: Vectors, found: list[tuple[list[int], int]], later: list[int], cut: float
) -> list[tuple[list[int], int]]:
    """Put what did not fit into the tree to the nearest group, or leave it alone."""
    if not later:
        return found
    middles = np.stack([blend[members].mean(axis=0) for members, _ in found])
    middles /= np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), 1e-12)
    nearest = blend[later] @ middles.T
    n_themes = 1 + max(theme for _, theme in found)
    for row, at in enumerate(later):
        best = int(nearest[row].argmax())
        # A middle is nearer than the average of its members is.
        if nearest[row, best] >= math.sqrt(cut):
            found[best][0].append(at)
        else:
            found.append(([at], n_themes))
            n_themes += 1
    return found


class _View:
    """The tree under its cuts."""

    def __init__(
        self,
        tree: Tree,
        weight: NDArray[np.float32],
        foreign: NDArray[np.bool_],
        cuts: tuple[Cuts, Cuts],
        cut_of: Sequence[float],
    ) -> None:
        self._tree, self._cuts, self._cut_of = tree, cuts, cut_of
        self._weight = weight.astype(np.float64).tolist()
        self._foreign = (weight * foreign).astype(np.float64).tolist()
        for left, right in tree.children:
            self._weight.append(self._weight[left] + self._weight[right])
            self._foreign.append(self._foreign[left] + self._foreign[right])

    def groups(self, least: int) -> Iterator[tuple[list[int], int]]:
        """Give groups as points, with the number of their theme."""
        theme = 0
        for root in self._tree.roots():
            for heading in self._tops(root, lambda node: self._bounds(node).theme):
                for loose in self._tops(heading, lambda node: self._cut(node) - self._bounds(node).looser):
                    for node in self._cores(loose, least):
                        yield self._tree.points(node), theme
                theme += 1

    def _cores(self, loose: int, least: int) -> list[int]:
        cores = self._tops(loose, self._cut)
        large = [core for core in cores if self._weight[core] >= least]
        one_thing = not large or (
            len(large) == 1 and self._weight[large[0]] >= _MEMBER_OF * self._weight[loose]
        )
        return [loose] if one_thing else cores

    def _tops(self, node: int, cut: Callable[[int], float]) -> list[int]:
        """Give the highest nodes from *node* down that were joined at their cut or nearer."""
        found, open_nodes = [], [node]
        while open_nodes:
            one = open_nodes.pop()
            if one < self._tree.n or self._tree.cosine(one) >= cut(one):
                found.append(one)
            else:
                open_nodes.extend(self._tree.children[one - self._tree.n])
        return found

    def _is_foreign(self, node: int) -> bool:
        return bool(self._foreign[node] > self._weight[node] / 2)

    def _bounds(self, node: int) -> Cuts:
        return self._cuts[self._is_foreign(node)]

    def _cut(self, node: int) -> float:
        return self._cut_of[self._is_foreign(node)]


def _arranged(groups: list[tuple[Group, int]], rare: list[str], cut: float, least: int) -> Grouping:
    """Put groups under their themes, largest first; equal ones by their ids."""
    of_theme: dict[int, list[Group]] = {}
    for group, theme in groups:
        of_theme.setdefault(theme, []).append(group)
    named: list[Group] = []
    themes: list[Theme] = []
    for held in of_theme.values():
        held.sort(key=lambda one: (-one.n_asked, one.id))
        id = digest("theme", *sorted(one.id for one in held))[:32]
        named += [replace(one, theme=id) for one in held]
        n_asked = sum(one.n_asked for one in held)
        themes.append(Theme(id=id, groups=tuple(one.id for one in held), n_asked=n_asked))
    return Grouping(
        groups=tuple(sorted(named, key=lambda one: (-one.n_asked, one.id))),
        themes=tuple(sorted(themes, key=lambda one: (-one.n_asked, one.id))),
        rare=tuple(sorted(rare)),
        cut=cut,
        min_size=least,
    )
