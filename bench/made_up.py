"""A knowledge base of made-up documents, brought in through kbm's real services."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.embedders import QuickPassages
from bench.synthetic import company_words
from kbm.bootstrap import Kbm
from kbm.errors import KbmError
from kbm.ports import Embedder
from kbm.testing.builders import settings
from kbm.testing.fakes import FakeConnector, NoProgress

GPT, SOURCE = "helper", "docs"
SECTIONS = 20
"""Passages in each document."""
_CENTRES = 100


def quick_passages(embedder: Embedder) -> QuickPassages:
    """Let vectors of passages lie around those of the sample company's text."""
    words = company_words()
    step = len(words) // _CENTRES
    return QuickPassages(embedder, [" ".join(words[at * step : at * step + 30]) for at in range(_CENTRES)])


def document(name: str, written: Sequence[str]) -> tuple[str, str]:
    """Make the id and the text of a document with a section for each of the texts."""
    return f"{name}.md", "\n\n".join(f"## Section {name}-{at}\n\n{text}" for at, text in enumerate(written))


@contextmanager
def made_up(folder: Path, written: Sequence[str], embedder: Embedder) -> Iterator[tuple[Kbm, FakeConnector]]:
    """Publish documents of these texts and give kbm and their source."""
    folder.mkdir()
    connector = FakeConnector(
        items=dict(
            document(f"doc-{start:06d}", written[start : start + SECTIONS])
            for start in range(0, len(written), SECTIONS)
        )
    )
    with Kbm(settings(folder), connectors={SOURCE: connector}, embedder=embedder) as kbm:
        publish(kbm, [SOURCE], GPT)
        yield kbm, connector


def publish(kbm: Kbm, sources: Sequence[str], gpt: str) -> None:
    """Sync, build and publish, as a nightly run does.

    Raises:
        KbmError: the release was not published.
    """
    with kbm.working("bench", gpt):
        night = kbm.nightly.run(
            [kbm.source_to_sync(name) for name in sources],
            [(kbm.gpt_to_build(gpt), kbm.night_policy(gpt))],
            NoProgress(),
            configured=sources,
            who="bench",
        )
    if not all(one.published for one in night.gpts):
        raise KbmError(f"{gpt} was not published: {[str(one.error) for one in night.gpts]}")
