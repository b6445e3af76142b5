"""Patterns of ``include`` and ``exclude``."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kbm_connectors.globs import Globs


def matches(pattern: str, path: str, *, hidden: bool = False) -> bool:
    return Globs([pattern], wildcards_match_hidden=hidden).matches(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("**/*.docx", "a.docx"),
        ("**/*.docx", "x/y/a.docx"),
        ("**/*.docx", "A.DOCX"),
        ("*.docx", "a.docx"),
        ("x/**", "x/y/z"),
        ("x/", "x/y/z"),
        ("**", "x/y"),
        ("x/**/z", "x/z"),
        ("**/old/**", "old/a"),
        ("a[0-9].md", "a7.md"),
        ("a?.md", "aü.md"),
        ("./x/*", "x/a"),
        (".github/*", ".github/a"),
        ("**/ü*", unicodedata.normalize("NFD", "x/über")),
        ("a\nb", "a\nb"),
    ],
)
def test_matches(pattern: str, path: str) -> None:
    assert matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.docx", "x/a.docx"),
        ("**/*.docx", "a.docx.bak"),
        ("x/**", "x"),
        ("x/*", "x/y/z"),
        ("**/*", ".git/config"),
        ("**/*", "x/.hidden"),
        ("*", ".hidden"),
        ("a.md", "aXmd"),
    ],
)
def test_does_not_match(pattern: str, path: str) -> None:
    assert not matches(pattern, path)


def test_exclude_reaches_hidden_names() -> None:
    assert matches("**/secret", ".x/secret", hidden=True)


@pytest.mark.parametrize("pattern", ["/etc/*", "../x", "a/../b", "", "/", "*.{docx,pdf}"])
def test_patterns_that_cannot_be_meant_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Globs([pattern], wildcards_match_hidden=False)


NAMES = st.lists(st.sampled_from(["a", "b", ".c"]), min_size=1, max_size=4)


@given(pattern=st.lists(st.sampled_from(["a", "b", "*", "**", ".c"]), min_size=1, max_size=4), path=NAMES)
def test_a_folder_that_is_passed_over_holds_no_match(pattern: list[str], path: list[str]) -> None:
    globs = Globs(["/".join(pattern)], wildcards_match_hidden=False)
    state = globs.start
    for name in path[:-1]:
        state = globs.step(state, name)

    assert state or not globs.matches("/".join(path))
