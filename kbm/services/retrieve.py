"""Find the passages of a release that a caller may read.

Readers are applied twice: as a mask inside the search, so that hidden documents move no score, and again on the rows
that come back, before any text leaves.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import structlog
from numpy.typing import NDArray

from kbm.domain.answers import OtherPlace, Passage
from kbm.domain.canary import Canary
from kbm.domain.catalogue import VisibilityState
from kbm.domain.documents import EVERYONE, may_read
from kbm.domain.filters import NO_FILTERS, Filters
from kbm.domain.identity import ChunkId, DocumentId
from kbm.domain.questions import clean_question
from kbm.domain.releases import Release, ReleaseState
from kbm.domain.retention import ensure_indexed
from kbm.domain.retrieval import Signals
from kbm.errors import KbmError, NotFound, NothingLive, ReleaseNotSealed
from kbm.ports import Clock
from kbm.services.arrange import fold, prefer, with_neighbours
from kbm.services.canary_watch import CanaryWatch
from kbm.services.filtering import Filtering
from kbm.services.links import Links
from kbm.services.needs import Documents, Indexes, ReleaseIndex, Releases, Texts
from kbm.services.question_vectors import QuestionVectors
from kbm.services.rerank import RERANKED, Reranking
from kbm.services.shadow import Shadow

log = structlog.get_logger()

FOLDED = 10
"""Hits searched beyond those asked for, to take the place of equal ones."""

BESIDE = 0.8
"""What a neighbour counts of the passage it stands beside."""

_MASKS_KEPT = 32
"""Reader sets whose masks are kept; one costs a byte per document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the reader names that hold for them, and through which door. Everybody is ``everyone``.

    *gpts* are those they may ask, None for every one; *subject* is their key's id, or who they are, for the log.
    """

    readers: frozenset[str] = frozenset({EVERYONE})
    gpts: frozenset[str] | None = None
    subject: str = ""
    door: str = ""

    def may_ask(self, gpt: str) -> bool:
        """Tell whether they may ask a GPT."""
        return self.gpts is None or gpt in self.gpts


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedGpt:
    """What answering needs to know of a GPT and its sources' freshness limits, in hours."""

    name: str
    title: str
    max_age_hours: Mapping[str, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """What held for an earlier answer: its epoch, what it had to do without, and what it was narrowed to."""

    epoch: int
    words_only: bool
    not_reranked: bool = False
    filters: Filters = NO_FILTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """Passages, best first, and all that is needed to answer from them."""

    gpt: str
    question: str
    release: Release
    canary: bool
    epoch: int
    readers: frozenset[str]
    filters: Filters
    passages: tuple[Passage, ...]
    signals: Signals
    degraded: tuple[str, ...]
    index: ReleaseIndex
    readable: NDArray[np.bool_] = field(repr=False)
    beside: Callable[[Sequence[Passage]], Mapping[ChunkId, Sequence[Passage]]] = field(repr=False)

    def reading(self, k: int) -> tuple[Passage, ...]:
        """Give the first *k* passages and what stands right before and after each under the same heading."""
        first = self.passages[:k]
        return with_neighbours(first, self.beside(first))


class Retrieve:
    """The use case with what it needs; keeps masks and open releases between questions."""

    def __init__(
        self,
        *,
        gpts: Mapping[str, ServedGpt],
        documents: Documents,
        texts: Texts,
        releases: Releases,
        indexes: Indexes,
        vectors: QuestionVectors,
        links: Links,
        canaries: CanaryWatch,
        reranking: Reranking,
        filtering: Filtering,
        clock: Clock,
    ) -> None:
        self._canaries = canaries
        self.links = links
        self._reranking, self._filtering = reranking, filtering
        self._gpts, self._documents, self._texts, self._releases = gpts, documents, texts, releases
        self._indexes, self._vectors, self._clock = indexes, vectors, clock
        self._visibility = VisibilityState(epoch=-1)
        self._masks: OrderedDict[frozenset[str], NDArray[np.bool_]] = OrderedDict()
        self._lock = threading.Lock()

    def run(
        self,
        gpt: str,
        question: str,
        caller: Caller,
        *,
        release: str | None = None,
        as_of: datetime | None = None,
        sticky: str = "",
        k: int = 10,
        filters: Filters = NO_FILTERS,
    ) -> Retrieved:
        """Search a GPT's live release, or the one named, or the one that answered at a moment.

        What *filters* leave out is left out like what the caller may not read: it moves no score.

        A caller who belongs to a canary's audience gets the canary instead of live; *sticky* is the caller's
        label, so that they get the same one every time. A canary that fails is counted, and live answers.

        Raises:
            BadQuestion: there is nothing to search for.
            NotFound: no such GPT or release.
            NothingLive: nothing is published yet.
            ReleaseNotSealed: the release failed its probe.
        """
        asked = _Question(clean_question(question), caller, k, filters)
        self.served(gpt)
        if release is None and as_of is None:
            canary = self._canaries.running(gpt)
            if canary and canary.audience.includes(caller.readers, canary.salt, sticky or asked.text):
                found = self._from_canary(canary, asked)
                if found is not None:
                    return found
        return self._from(self.release_of(gpt, release, as_of), asked, canary=None)

    def again(
        self, gpt: str, question: str, caller: Caller, *, release: str, then: Then, k: int
    ) -> Retrieved:
        """Search a release as at an earlier visibility epoch, to verify a receipt.

        What it finds may be withdrawn or hidden by now: it is compared and never shown.
        """
        self.served(gpt)
        chosen = self.release_of(gpt, release)
        asked = _Question(clean_question(question), caller, k, then.filters)
        return self._from(chosen, asked, canary=None, then=then)

    def shadow(self, shadow: Shadow, question: str, caller: Caller, *, k: int) -> Retrieved:
        """Search a release that is not built, to prove what it would answer."""
        asked = _Question(clean_question(question), caller, k, NO_FILTERS)
        return self._from(shadow.rules, asked, canary=None, shadow=shadow)

    def _from_canary(self, canary: Canary, asked: _Question) -> Retrieved | None:
        """Search the canary; None when it fails, so that live answers."""
        try:
            return self._from(self._releases.at(canary.gpt, canary.seq), asked, canary=canary)
        except (KbmError, OSError) as error:
            log.warning("canary_failed", gpt=canary.gpt, why=repr(error))
            self._canaries.error(canary)
            return None

    def _from(
        self,
        chosen: Release,
        asked: _Question,
        *,
        canary: Canary | None,
        then: Then | None = None,
        shadow: Shadow | None = None,
    ) -> Retrieved:
        gpt, readers, rules = chosen.gpt, asked.caller.readers, chosen.answer_spec
        ensure_indexed(chosen)
        if then is None:
            epoch, readable = self._readable(readers)
        else:
            epoch, readable = then.epoch, _mask(self._documents.visibility_at(then.epoch), readers)
        readable = self._filtering.mask(chosen, asked.filters, readable)
        if shadow is not None:
            n = min(readable.size, shadow.holds.size)
            readable = readable[:n] & shadow.holds[:n]
        held = chosen if shadow is None else shadow.company
        index = self._indexes.open(held.gpt, held.index_spec, held.seq, held.index_digest)
        vector, degraded = (None, ()) if then and then.words_only else self._vectors.of(asked.text, chosen)
        found = index.search(
            asked.text,
            vector,
            readable=readable,
            k=max(asked.k + FOLDED, RERANKED),
            synonyms=rules.synonyms,
        )
        loaded = self._texts.passages([hit.chunk_id for hit in found.hits], withdrawn=then is not None)
        if then is None and len(loaded) < len(found.hits) and self._documents.epoch() != epoch:
            # Something was withdrawn since the mask was made. An answer belongs to one epoch: search in the next.
            return self._from(chosen, asked, canary=canary, shadow=shadow)
        passages = []
        for hit in found.hits:
            if hit.chunk_id not in loaded:
                continue
            no, passage = loaded[hit.chunk_id]
            if no >= len(readable) or not readable[no]:
                # The index and the catalogue disagree about whose row this is. It is not shown.
                log.error("hidden_passage_found", gpt=gpt, release=str(chosen.version), chunk=hit.chunk_id)
                if canary is not None:
                    self._canaries.violation(canary)
                continue
            passages.append(replace(passage, score=hit.score))
        if not (then and then.not_reranked):
            passages, not_reranked = self._reranking.run(asked.text, passages, rules.reranker)
            degraded = (*degraded, *not_reranked)
        holds = partial(index.overlap, asked.text, readable=readable, synonyms=rules.synonyms)
        folded = fold(prefer(passages, rules.prefer, holds))[: asked.k]
        names = {
            one.document_id: self._visibility.readers.get(no, frozenset()) for no, one in loaded.values()
        }
        show = partial(self.shown, chosen, readers=readers, signed=self.links.signed(), names=names)
        return Retrieved(
            gpt=gpt,
            question=asked.text,
            release=chosen,
            canary=canary is not None,
            epoch=epoch,
            readers=readers,
            filters=asked.filters,
            passages=tuple(
                _with_places(show(one, one.score), [show(other) for other in also]) for one, also in folded
            ),
            signals=found.signals,
            degraded=degraded,
            index=index,
            readable=readable,
            beside=partial(self._beside, show, withdrawn=then is not None),
        )

    def _beside(
        self, show: Callable[[Passage, float], Passage], passages: Sequence[Passage], *, withdrawn: bool
    ) -> dict[ChunkId, list[Passage]]:
        """Load the neighbours of *passages*: of the same document, so whoever may read one may read the other."""
        near = self._texts.beside([one.chunk_id for one in passages])
        ids = list(dict.fromkeys(id for some in near.values() for id in some))
        loaded = self._texts.passages(ids, withdrawn=withdrawn) if ids else {}
        return {
            one.chunk_id: [
                show(loaded[id][1], BESIDE * one.score) for id in near[one.chunk_id] if id in loaded
            ]
            for one in passages
            if one.chunk_id in near
        }

    def shown(
        self,
        chosen: Release,
        passage: Passage,
        score: float = 0.0,
        *,
        readers: frozenset[str] = frozenset({EVERYONE}),
        signed: bool | None = None,
        names: Mapping[DocumentId, frozenset[str]] | None = None,
    ) -> Passage:
        """Give a passage with its link, for a caller with these reader names, its score and age.

        *names* are the readers of documents where they are at hand; they spare a look into the catalogue.
        """
        max_age = self._gpts[chosen.gpt].max_age_hours.get(passage.source)
        url = self.links.to_passage(
            passage, chosen.gpt, str(chosen.version), readers, signed=signed, names=names
        )
        stale = is_stale(passage.modified, max_age, self._clock.now())
        return replace(passage, url=url, score=score, stale=stale)

    def served(self, gpt: str) -> ServedGpt:
        """Give a GPT by name.

        Raises:
            NotFound: there is none of that name.
        """
        if gpt not in self._gpts:
            raise NotFound("GPT", gpt, self._gpts)
        return self._gpts[gpt]

    def release_of(self, gpt: str, version: str | None = None, as_of: datetime | None = None) -> Release:
        """Give the live release, or the one named, or the one that answered at a moment.

        Raises:
            NotFound: no such release.
            NothingLive: nothing is published yet.
            ReleaseNotSealed: it failed its probe.
        """
        if version is None and as_of is not None:
            then = self._releases.as_of(gpt, as_of)
            if then is None:
                raise NotFound(f"release of {gpt} that answered at", as_of.isoformat(timespec="minutes"))
            return then
        if version is None:
            live = self._releases.live(gpt)
            if live is None:
                raise NothingLive(
                    f"{gpt} has no live release yet", hint=f"build and publish one: kbm nightly {gpt}"
                )
            return live
        chosen = self._releases.get(gpt, version)
        if chosen.state is ReleaseState.FAILED:
            raise ReleaseNotSealed(f"{gpt} {version} did not pass its probe and cannot be asked")
        return chosen

    def may_read(self, document_no: int, caller: Caller) -> bool:
        """Tell whether a caller may read a document now."""
        _, readable = self._readable(caller.readers)
        return document_no < len(readable) and bool(readable[document_no])

    def _readable(self, readers: frozenset[str]) -> tuple[int, NDArray[np.bool_]]:
        """Give the visibility epoch and, by document number, what these readers may read in it."""
        epoch = self._documents.epoch()
        with self._lock:
            if self._visibility.epoch != epoch:
                self._visibility = self._documents.visibility()
                self._masks.clear()
            if readers not in self._masks:
                self._masks[readers] = _mask(self._visibility, readers)
                while len(self._masks) > _MASKS_KEPT:
                    self._masks.popitem(last=False)
            self._masks.move_to_end(readers)
            return self._visibility.epoch, self._masks[readers]


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, by whom, for how many passages, of which part."""

    text: str
    caller: Caller
    k: int
    filters: Filters


def _with_places(passage: Passage, others: Sequence[Passage]) -> Passage:
    """Name the other documents that say the same."""
    places = (
        OtherPlace(
            document_id=one.document_id, source=one.source, item_id=one.item_id, title=one.title, url=one.url
        )
        for one in others
    )
    return replace(passage, also_in=tuple(places))


def _mask(visibility: VisibilityState, readers: frozenset[str]) -> NDArray[np.bool_]:
    size = max(visibility.readers, default=0) + 1
    mask = np.zeros(size, dtype=np.bool_)
    allowed = {names: may_read(names, readers) for names in set(visibility.readers.values())}
    for no, names in visibility.readers.items():
        mask[no] = allowed[names]
    mask.flags.writeable = False
    return mask


def is_stale(modified: datetime | None, max_age_hours: int | None, now: datetime) -> bool:
    """Tell whether a document is older than its source allows."""
    return (
        modified is not None and max_age_hours is not None and now - modified > timedelta(hours=max_age_hours)
    )
