"""A kbm over sources in memory, in one call. Shows only what a test is about; the rest has defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from kbm.bootstrap import Kbm
from kbm.config import CONFIG_NAME, Settings
from kbm.domain.chat import EXTRACTIVE
from kbm.domain.releases import IndexSpec
from kbm.domain.retrieval import SealedIndex
from kbm.errors import IndexDamaged, KbmError
from kbm.indexes import Indexes
from kbm.ports import ChatModel, Connector, Embedder, Reranker
from kbm.sections import AnswersSection, ChatSection, GptSection, KbmSection, PeopleSection, SourceSection
from kbm.testing.fakes import FakeClock, FakeConnector, FakeEmbedder

ONE_FOLDER_TOML = """\
[kbm]
name = "Test company"
embedder = "none"

[sources.docs]
kind = "files"
url = "./docs"
readers = ["everyone"]

[gpts.helper]
title = "Helper"
sources = ["docs"]
people = { owner = "owner@test.example" }
"""
"""A ``kbm.toml`` of the smallest company: one folder, one GPT, no embedder."""


class IndexesLookedAtHere(Indexes):
    """Verifies what was sealed in this process: all the checks of a probe, without the quarter of a second it starts.

    A test in which a mapped file is cut short, or which is about the probe's process, takes the real one.
    """

    def probe(self, gpt: str, spec: IndexSpec, seq: int) -> SealedIndex:
        """Verify a sealed release; what is wrong with it is told as a probe tells it."""
        from kbm_indexes.probe import look

        try:
            return look(self._path(gpt, spec), seq)
        except KbmError as error:
            raise IndexDamaged(f"release {seq} did not pass its probe: {error}") from None


def settings(
    folder: Path,
    sources: Sequence[str] = ("docs",),
    *,
    readers: Mapping[str, Sequence[str]] | None = None,
    gpts: Mapping[str, Sequence[str]] | None = None,
    max_age: str | None = None,
    embedder: str = "none",
    chat: ChatSection | None = None,
    chat_tokens_per_day: int | None = None,
    answers: AnswersSection | None = None,
) -> Settings:
    """Make settings with these sources, readable by everyone, and one GPT ``helper`` over all of them."""
    return Settings(
        kbm=KbmSection(name="Test company", embedder=embedder, chat="openai:fake" if chat else EXTRACTIVE),
        chat=chat or ChatSection(),
        sources={
            name: SourceSection(
                kind="files", readers=tuple((readers or {}).get(name, ("everyone",))), max_age=max_age
            )
            for name in sources
        },
        gpts={
            name: GptSection(
                title=name.title(),
                sources=tuple(of),
                people=PeopleSection(owner="owner@test.example"),
                chat_tokens_per_day=chat_tokens_per_day,
                answers=answers or AnswersSection(),
            )
            for name, of in (gpts or {"helper": sources}).items()
        },
        path=folder / CONFIG_NAME,
    )


@contextmanager
def kbm_over(
    folder: Path,
    connectors: Mapping[str, Connector] | FakeConnector,
    *,
    embedder: Embedder | None = None,
    clock: FakeClock | None = None,
    readers: Mapping[str, Sequence[str]] | None = None,
    gpts: Mapping[str, Sequence[str]] | None = None,
    max_age: str | None = None,
    chat: ChatModel | None = None,
    chat_section: ChatSection | None = None,
    chat_tokens_per_day: int | None = None,
    answers: AnswersSection | None = None,
    reranker: Reranker | None = None,
    indexes: Indexes | None = None,
) -> Iterator[Kbm]:
    """Open a kbm whose sources are *connectors*; a single one is the source ``docs``.

    With *chat* its releases are answered from by that model, with *chat_section* alone by what that reaches. Sealed
    releases are looked at in this process, unless *indexes* are given that start one for it.
    """
    by_name = {"docs": connectors} if isinstance(connectors, FakeConnector) else connectors
    made = settings(
        folder,
        list(by_name),
        readers=readers,
        gpts=gpts,
        max_age=max_age,
        chat=chat_section or (ChatSection() if chat else None),
        chat_tokens_per_day=chat_tokens_per_day,
        answers=answers,
    )
    with Kbm(
        made,
        clock=clock or FakeClock(),
        connectors=by_name,
        embedder=embedder or FakeEmbedder(),
        chat=chat,
        reranker=reranker,
        indexes=indexes or IndexesLookedAtHere(made.data_dir / "index"),
    ) as kbm:
        yield kbm


__all__ = ["ONE_FOLDER_TOML", "IndexesLookedAtHere", "kbm_over", "settings"]
