"""A document that the caller may not read changes nothing for them: with it and without it, every bit is the same.

Synonyms, preferred documents, folding of equal passages, neighbours, a reranker, filters and measured thresholds
included; hidden documents repeat visible ones word for word.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbm.bootstrap import Kbm
from kbm.domain.documents import EVERYONE
from kbm.domain.filters import Filters
from kbm.sections import AnswersSection
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, FakeReranker, NoProgress

_WORDS = [
    "".join(pair)
    for a in ("mer", "tan", "vor", "gel", "KB-")
    for b in ("ba", "ko", "li", "40", "7")
    for pair in [(a, b)]
]
_TELLING = [f"{word}{end}" for word in _WORDS for end in ("", "tor", "ling", "um")]
RULES = AnswersSection(
    synonyms=((_TELLING[1], _TELLING[9], _TELLING[30]), ("VAT", "tax on value", _TELLING[12])),
    prefer=("docs:open/003.txt", "docs:hr/001.txt", "docs:board/002.txt"),
)
NAMES = {"open": frozenset({EVERYONE}), "hr": frozenset({"group:hr"}), "board": frozenset({"group:board"})}
CALLERS = {
    "nobody": frozenset({EVERYONE}),
    "hr": frozenset({EVERYONE, "group:hr"}),
    "both": frozenset({EVERYONE, "group:hr", "group:board"}),
}


def _pages() -> dict[str, str]:
    draw = random.Random(3)
    pages = {
        f"open/{at:03}.txt": "\n\n".join(
            " ".join(f"The {' '.join(draw.choices(_TELLING, k=8))} is {at}." for _ in range(2))
            for _ in range(2)
        )
        for at in range(64)
    }
    pages["open/000.txt"] = " ".join(
        f"The {' '.join(draw.choices(_TELLING, k=9))} is long." for _ in range(40)
    )
    texts = list(pages.values())
    for folder in ("hr", "board"):
        for at in range(8):
            # Every other one repeats what everyone may read; the others share its words.
            text = (
                texts[at] if at % 2 else f"The {' '.join(draw.choices(_TELLING, k=20))} of {folder} is {at}."
            )
            pages[f"{folder}/{at:03}.txt"] = text
    return pages


def _world(folders: frozenset[str]) -> FakeConnector:
    pages = {id: text for id, text in _pages().items() if id.split("/")[0] in folders}
    return FakeConnector(
        items=pages,
        readers={id: NAMES[id.split("/")[0]] for id in pages},
        modified={id: datetime(2026, 1 + int(id[-7:-4]) % 12, 1, tzinfo=UTC) for id in pages},
    )


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Kbm]]:
    """One with everything, and for each caller one with just what they may read."""
    folders = {
        "all": frozenset(NAMES),
        "nobody": frozenset({"open"}),
        "hr": frozenset({"open", "hr"}),
        "both": frozenset(NAMES),
    }
    with ExitStack() as stack:
        made = {}
        for name, held in folders.items():
            if name == "both":
                continue
            kbm = stack.enter_context(
                kbm_over(tmp_path_factory.mktemp(name), _world(held), answers=RULES, reranker=FakeReranker())
            )
            kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
            release = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release
            kbm.publish.run("helper", str(release.version), who="anna", why="test")
            made[name] = kbm
        made["both"] = made["all"]
        yield made


def _bits(kbm: Kbm, question: str, readers: frozenset[str], filters: Filters, k: int) -> tuple[object, ...]:
    found = kbm.retrieve.run("helper", question, Caller(readers=readers), filters=filters, k=k)
    answer = kbm.ask.answer(found, k=3)
    return (
        [(one.chunk_id, one.score.hex(), [place.item_id for place in one.also_in]) for one in found.passages],
        repr(found.signals),
        [one.chunk_id for one in found.reading(3)],
        found.degraded,
        (answer.outcome, answer.cause, answer.confidence, answer.text, answer.notice),
        [(one.quote, one.start, one.end, one.passage.chunk_id) for one in answer.citations],
    )


questions = st.one_of(
    st.lists(
        st.sampled_from([*_TELLING, "VAT", "tax on value", "is", "board", "hr"]), min_size=1, max_size=9
    ).map(" ".join),
    st.sampled_from([sentence for text in _pages().values() for sentence in text.split(". ")][::3]),
)
filters = st.builds(
    Filters,
    sources=st.sampled_from([frozenset[str](), frozenset({"docs"})]),
    modified_after=st.sampled_from([None, datetime(2026, 4, 1, tzinfo=UTC)]),
)


@settings(max_examples=60, deadline=None)
@given(questions, st.sampled_from(sorted(CALLERS)), filters, st.sampled_from([1, 3, 10]))
def test_what_a_caller_may_not_read_changes_no_bit(
    worlds: dict[str, Kbm], question: str, caller: str, narrowed: Filters, k: int
) -> None:
    with_hidden = _bits(worlds["all"], question, CALLERS[caller], narrowed, k)

    assert with_hidden == _bits(worlds[caller], question, CALLERS[caller], narrowed, k)


def test_the_worlds_hold_what_the_property_is_about(worlds: dict[str, Kbm]) -> None:
    releases = [worlds[name].retrieve.release_of("helper") for name in ("all", "nobody", "hr")]
    found = worlds["all"].retrieve.run("helper", _pages()["open/001.txt"], Caller(readers=CALLERS["both"]))

    assert releases[0].calibration is not None
    assert len({one.calibration for one in releases}) == 1
    assert len({one.n_documents for one in releases}) == 3
    assert any(one.also_in for one in found.passages)
