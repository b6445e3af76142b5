"""Reading what a chat model writes, however it wraps it."""

from __future__ import annotations

import json

import pytest

from kbm.domain.written import MAX_OBJECT_CHARS, Claim, Quoted, Written

LINE = '{"sentence": "Tea is \\"green\\" {or} black.", "cites": [{"passage": 1, "quote": "Tea is green"}]}'
CLAIM = Claim('Tea is "green" {or} black.', (Quoted(1, "Tea is green"),))


def read(text: str, size: int = 3) -> tuple[list[Claim], Written]:
    written = Written()
    claims = [one for at in range(0, len(text), size) for one in written.feed(text[at : at + size])]
    written.end()
    return claims, written


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        f"```json\n{LINE}\n```",
        f"Sure! Here it is:\n1. {LINE}",
        f"[{LINE}]",
        f'{{"sentences": [{LINE}]}}',
        json.dumps(json.loads(LINE), indent=4),
        LINE.replace('"passage": 1', '"passage": "[1]"'),
        LINE.replace("sentence", "text").replace("cites", "citations"),
        LINE.replace("black.", "black [1]."),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_sentence_is_found_however_it_is_wrapped(text: str, size: int) -> None:
    claims, _ = read(text, size)

    assert claims == [CLAIM]


def test_a_sentence_is_there_with_its_last_brace() -> None:
    written = Written()

    assert list(written.feed(LINE[:-1])) == []
    assert list(written.feed("}" + LINE[:20])) == [CLAIM]


@pytest.mark.parametrize(
    "text",
    [
        "I cannot help with that.",
        '{"sentence": "cut in the mid',
        '{"sentence": 5, "cites": []}',
        '{"sentence": "", "cites": []}',
        '{"sentence": "x", "cites": ' + "[" * 5000,
        "}" * 500,
        '{"sentence": "' + "x" * (2 * MAX_OBJECT_CHARS) + '"}',
        '{"sentence": "a" "b"}',
    ],
)
def test_what_cannot_be_read_is_no_sentence(text: str) -> None:
    claims, _ = read(text, 50)

    assert claims == []


def test_a_sentence_behind_an_unreadable_one_is_read() -> None:
    claims, written = read('{"sentence": "a" "b"}\n' + LINE)

    assert claims == [CLAIM]
    assert written.n_unreadable == 1


def test_a_model_may_say_that_nothing_answers() -> None:
    claims, written = read('{"none": true}')

    assert claims == []
    assert written.none


def test_marks_breaks_and_unseen_signs_are_not_part_of_a_sentence() -> None:
    ((one,), _) = read('{"sentence": "Tea\\u202e is\\n\\u0000 green [1, 2].", "cites": []}')

    assert one.sentence == "Tea is green."


def test_citations_of_no_sensible_form_are_left_out() -> None:
    cites = [
        1,
        None,
        {"passage": True, "quote": "a"},
        {"passage": "one", "quote": "a"},
        {"passage": 1},
        {"n": 2, "quote": "b"},
    ]
    ((one,), _) = read(json.dumps({"sentence": "x", "cites": cites}))

    assert one.quotes == (Quoted(2, "b"),)
