"""What differs between two manifests, two specs and two texts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbm.domain.changes import Kind, Part, changes_between, shortened, spec_changes, word_diff
from kbm.domain.identity import ContentHash, DocumentId, VersionId
from kbm.domain.releases import AnswerSpec, ReleasedDocument
from kbm.entrypoints.cli.changes import painted

texts = st.lists(
    st.sampled_from(["leave", "30", "31.5", "days", ".", " ", "  ", "\n\n", "Größe", ". ", "|", "a-b"]),
    max_size=40,
).map("".join)


def document(name: str, content: str = "1", title: str = "") -> ReleasedDocument:
    return ReleasedDocument(
        document_id=DocumentId(name),
        version_id=VersionId(f"{name}/{content}"),
        source="docs",
        item_id=f"{name}.txt",
        title=title or name,
        url="",
        content=ContentHash(content),
    )


def side(parts: Sequence[Part], without: Kind) -> str:
    return "".join(part.text for part in parts if part.kind is not without)


def marked(parts: Sequence[Part]) -> str:
    marks = {Kind.SAME: "{}", Kind.REMOVED: "[-{}-]", Kind.ADDED: "{{+{}+}}", Kind.SKIPPED: "…"}
    return "".join(marks[part.kind].format(part.text) for part in parts)


def test_documents_are_added_changed_and_removed_by_their_id() -> None:
    before = [document("c"), document("b"), document("a")]
    after = [document("d"), document("c", content="2"), document("a")]

    found = changes_between(before, after)

    assert found.added == (document("d"),)
    assert [(one.before, one.after) for one in found.changed] == [(document("c"), document("c", content="2"))]
    assert found.removed == (document("b"),)


def test_equal_manifests_have_no_changes_whatever_their_order() -> None:
    found = changes_between([document("a"), document("b")], [document("b"), document("a")])

    assert (found.added, found.changed, found.removed) == ((), (), ())


def test_the_fields_in_which_specs_differ_are_named_with_both_values() -> None:
    before = AnswerSpec(instructions="Be brief.")

    found = spec_changes(before, replace(before, instructions="Be kind.", threshold=0.5))

    assert [(one.name, one.before, one.after) for one in found] == [
        ("instructions", "Be brief.", "Be kind."),
        ("threshold", 0.4, 0.5),
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("Employees get 30 days.", "Employees get 31 days.", "Employees get [-30-]{+31+} days."),
        ("The price is 1,250.00.", "The price is 1,300.00.", "The price is [-1,250.00-]{+1,300.00+}."),
        (
            "Ask Anna Berger today.",
            "Ask Max Mustermann today.",
            "Ask [-Anna Berger-]{+Max Mustermann+} today.",
        ),
        ("One. Two.", "One. New here. Two.", "One. {+New here. +}Two."),
        (
            "Totally different words.",
            "Nichts davon blieb",
            "[-Totally different words.-]{+Nichts davon blieb+}",
        ),
        ("", "New.", "{+New.+}"),
        ("Same.", "Same.", "Same."),
        ("", "", ""),
    ],
)
def test_a_word_diff_reads_like_an_edit(before: str, after: str, expected: str) -> None:
    assert marked(word_diff(before, after)) == expected


def test_rows_that_all_changed_are_compared_one_by_one() -> None:
    before = "A-1: 10 euros\nA-2: 20 euros\n"
    after = "A-1: 11 euros\nA-2: 21 euros\n"

    assert marked(word_diff(before, after)) == "A-1: [-10-]{+11+} euros\nA-2: [-20-]{+21+} euros\n"


def test_long_unchanged_runs_are_left_out_and_the_words_beside_a_change_stay() -> None:
    before = " ".join(f"w{n}" for n in range(100))

    found = shortened(word_diff(before, before.replace("w50", "new")), context_words=2)

    assert marked(found) == "…w48 w49 [-w50-]{+new+} w51 w52…"


def test_a_terminal_with_colour_shows_changes_without_marks() -> None:
    shown = painted(word_diff("Employees get 30 days.", "Employees get 31 days."), in_colour=True)

    assert shown.plain == "Employees get 3031 days."
    assert [(shown.plain[one.start : one.end], one.style) for one in shown.spans] == [
        ("30", "red strike"),
        ("31", "green"),
    ]


def test_a_document_cannot_steer_the_terminal() -> None:
    shown = painted(word_diff("Get 30 days.", "Get 31\x1b[2J days."), in_colour=False)

    assert "\x1b" not in shown.plain


def test_ten_thousand_changed_rows_are_compared_in_seconds() -> None:
    before = "\n".join(f"Article {n}: {n * 7} euros, 3 days" for n in range(10_000))
    after = "\n".join(f"Article {n}: {n * 8} euros, 3 days" for n in range(1, 10_003))
    started = time.monotonic()

    parts = word_diff(before, after)

    assert time.monotonic() - started < 20
    assert marked(parts).startswith("[-Article 0: 0 euros, 3 days\n-]Article 1: [-7-]{+8+} euros, 3 days\n")
    assert side(parts, Kind.ADDED) == before


@given(before=texts, after=texts)
def test_the_parts_give_back_both_texts(before: str, after: str) -> None:
    parts = word_diff(before, after)

    assert side(parts, Kind.ADDED) == before
    assert side(parts, Kind.REMOVED) == after


@given(before=texts, after=texts)
def test_no_two_neighbours_are_of_one_kind_and_none_is_empty(before: str, after: str) -> None:
    parts = word_diff(before, after)

    assert all(part.text for part in parts)
    assert all(one.kind is not other.kind for one, other in pairwise(parts))


@given(before=texts, after=texts)
def test_shortening_keeps_every_change(before: str, after: str) -> None:
    parts = word_diff(before, after)
    changes = [part for part in parts if part.kind is not Kind.SAME]

    kept = [part for part in shortened(parts, 1) if part.kind in (Kind.ADDED, Kind.REMOVED)]

    assert kept == changes
