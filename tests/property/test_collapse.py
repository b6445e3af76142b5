"""Promises about contents that change for the worse, whatever the texts are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kbm.domain.collapse import OddChange, Sign, hold_collapsed, look_at
from kbm.domain.sync import FEW, Brake

texts = st.text(max_size=400)
words = st.lists(
    st.sampled_from(["der", "die", "und", "the", "of", "and", "rue", "machine", "tons", "1", "2", "3"]),
    max_size=80,
).map(" ".join)
brakes = st.builds(Brake, documents=st.integers(0, 20), share=st.floats(0, 1))
odd = st.builds(
    OddChange,
    signs=st.frozensets(st.sampled_from(Sign), min_size=1),
    before=st.sampled_from("abcdef"),
    sketch=st.frozensets(st.integers(0, 6)).map(lambda found: tuple(sorted(found))),
)
changes = st.dictionaries(st.integers(0, 30).map(str), odd)


@given(texts | words)
def test_a_text_that_stays_is_never_odd(text: str) -> None:
    assert look_at(text, text, named="x") is None


@given(words, words)
def test_a_text_that_only_grows_is_odd_by_its_language_at_most(before: str, more: str) -> None:
    change = look_at(before, f"{before} {more}", named="x")

    assert change is None or change.signs == {Sign.LANGUAGE}


@given(texts.filter(str.strip), st.sampled_from(["", " ", "\n\t"]))
def test_a_text_that_vanishes_is_always_odd(before: str, after: str) -> None:
    change = look_at(before, after, named="x")

    assert change is not None
    assert change.signs == {Sign.EMPTY}


@given(changes, st.integers(0, 60), brakes)
def test_a_few_documents_are_never_held_by_a_brake_that_lets_few_go(
    found: dict[str, OddChange], n_known: int, brake: Brake
) -> None:
    few = dict(list(found.items())[: FEW - 1])
    held, _ = hold_collapsed(few, n_known, brake)

    assert not held or brake.documents < len(few)


@given(changes, st.integers(0, 60), brakes)
def test_what_is_held_is_told(found: dict[str, OddChange], n_known: int, brake: Brake) -> None:
    held, because = hold_collapsed(found, n_known, brake)

    assert held <= found.keys()
    assert bool(held) == bool(because)


@given(changes, st.integers(0, 60), brakes)
def test_no_sign_passes_that_the_brake_would_hold(
    found: dict[str, OddChange], n_known: int, brake: Brake
) -> None:
    held, _ = hold_collapsed(found, n_known, brake)
    for sign in (Sign.EMPTY, Sign.SHRUNK, Sign.LANGUAGE):
        passed = [id for id, change in found.items() if sign in change.signs and id not in held]

        assert not brake.holds_contents(len(passed), n_known)


@given(st.integers(FEW, 30))
def test_one_text_in_place_of_different_ones_is_always_held(n: int) -> None:
    odd = {
        str(at): OddChange(signs=frozenset({Sign.REPLACED}), before=str(at), sketch=(1, 2, 3))
        for at in range(n)
    }
    held, because = hold_collapsed(odd, n, Brake())

    assert held == odd.keys()
    assert len(because) == 1


@given(st.integers(FEW, 30))
def test_one_text_that_was_one_text_before_may_change(n: int) -> None:
    odd = {str(at): OddChange(signs=frozenset({Sign.REPLACED}), before="x", sketch=(1, 2)) for at in range(n)}

    assert hold_collapsed(odd, n, Brake()) == (frozenset(), ())
