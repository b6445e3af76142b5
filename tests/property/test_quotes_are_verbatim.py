"""Whatever documents hold and whatever is asked: every quote that is shown stands in what the caller may read."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kbm.bootstrap import Kbm
from kbm.domain.answers import Answer
from kbm.services.retrieve import Caller
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress

WORDS = (
    *("Urlaub", "leave", "congé", "Presse", "press", "30", "1.234,5", "12 %", "M12x80", "§ 5a", "z. B."),
    *("Dr.", "e.g.", "nicht", "never", "jamais", "»quote«", "“x”", "a\u0301", "ﬁle", "😀", "\u00a0"),
    *("\u200b", "<b>", "&amp;", "|", "…"),
)
ENDS = (". ", "! ", "? ", "… ", ".\n", "\n\n", " – ", "; ", ": ", ".» ")
texts = st.lists(
    st.tuples(st.sampled_from(WORDS), st.sampled_from((" ", " ", *ENDS))), min_size=1, max_size=60
)
pages = st.lists(texts.map(lambda parts: "".join(word + end for word, end in parts)), min_size=1, max_size=4)
questions = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=5
)


@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate],
)
@given(pages=pages, asked=questions)
def test_every_shown_quote_is_a_slice_of_a_passage_the_caller_may_read(
    pages: list[str], asked: list[str]
) -> None:
    items = {f"{n}.txt": page for n, page in enumerate(pages)}
    hidden = {"0.txt": frozenset({"group:hr"})}
    with tempfile.TemporaryDirectory() as folder:
        source = FakeConnector(items=items, readers=hidden)
        with kbm_over(Path(folder), source) as kbm:
            kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
            kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
            if kbm.catalogue.releases.all("helper"):
                kbm.publish.run("helper", "1.0.0", who="anna", why="test")
                for question in filter(has_words, asked):
                    check(kbm.ask.run("helper", question, Caller()), kbm)


@pytest.mark.slow
def test_ten_thousand_questions_are_answered_with_slices_alone(tmp_path: Path) -> None:
    chance = random.Random(1)
    items = {
        f"{n}.txt": "".join(chance.choice(WORDS) + chance.choice((" ", *ENDS)) for _ in range(200))
        for n in range(300)
    }
    source = FakeConnector(items=items, readers={"0.txt": frozenset({"group:hr"})})
    n_citations = 0
    with kbm_over(tmp_path, source) as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
        kbm.publish.run("helper", "1.0.0", who="anna", why="test")
        for _ in range(10_000):
            question = " ".join(chance.choices(WORDS, k=chance.randint(1, 6)))
            if has_words(question):
                answer = kbm.ask.run("helper", question, Caller())
                check(answer, kbm)
                n_citations += len(answer.citations)
    assert n_citations > 1_000


def has_words(question: str) -> bool:
    return any(char.isalnum() for char in question)


def check(answer: Answer, kbm: Kbm) -> None:
    for one in answer.citations:
        shown = kbm.show_document.run(one.passage.document_id, Caller())
        stored = shown.text[one.passage.start : one.passage.end]

        assert one.passage.item_id != "0.txt"
        assert stored == one.passage.text
        assert one.quote == one.passage.text[one.start : one.end]
        assert one.quote.strip()
