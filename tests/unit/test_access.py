"""Keys and what they allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbm.domain.access import (
    OPEN,
    Action,
    Rights,
    Subject,
    authorize,
    new_token,
    token_hash,
    token_id,
)
from kbm.errors import NotAllowed, NotFound

KNOWN = ("hr", "offers")


def subject(**rights: object) -> Subject:
    return Subject(id="key:x", rights=Rights(**rights))  # type: ignore[arg-type]


def test_a_new_key_has_an_id_and_is_never_made_twice() -> None:
    made = {new_token() for _ in range(200)}

    assert len(made) == 200
    assert all(token_id(one) for one in made)
    assert len({token_hash(one) for one in made}) == 200


@given(st.text(max_size=60))
def test_any_other_text_is_no_key(text: str) -> None:
    assert token_id(text) is None
    assert token_id(f"kbm_{text}") is None


@given(st.integers(min_value=4, max_value=49), st.sampled_from("02468ACEGacegxyz"))
def test_one_mistyped_letter_is_noticed_without_asking_the_database(at: int, letter: str) -> None:
    token = new_token()
    other = token[:at] + letter + token[at + 1 :]

    assert (token_id(other) is None) == (other != token)


def test_a_gpt_of_somebody_else_is_as_unknown_as_one_that_is_not_there() -> None:
    mine = subject(gpts=frozenset({"offers"}))

    with pytest.raises(NotFound) as other:
        authorize(mine, Action.ASK, "hr", known=KNOWN)
    with pytest.raises(NotFound) as none:
        authorize(mine, Action.ASK, "xx", known=KNOWN)

    assert str(other.value).replace("'hr'", "'xx'") == str(none.value)
    assert "offers" in str(other.value)


@pytest.mark.parametrize("action", list(Action))
def test_a_key_does_what_it_allows_and_nothing_else(action: Action) -> None:
    authorize(subject(actions=frozenset({action})), action, "hr", known=KNOWN)
    others = frozenset(Action) - {action}
    with pytest.raises(NotAllowed, match="does not allow"):
        authorize(subject(actions=others), action, "hr", known=KNOWN)


def test_without_any_key_everything_is_allowed() -> None:
    for action in Action:
        authorize(OPEN, action, "hr", known=KNOWN)
