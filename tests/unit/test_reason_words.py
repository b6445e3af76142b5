"""Reasons that kbm gives itself are told in the language of the report."""

from __future__ import annotations

import re
import string
from datetime import UTC, datetime

import pytest

from kbm.domain.collapse import _WORDS_FOR
from kbm.domain.evaluation import Difference as Change
from kbm.domain.evaluation import _fell, _lost_too_many
from kbm.domain.report import Findings, GptNews, SourceNews, StepNews, Waiting
from kbm.domain.sync import Brake, Known, Mark, Ref, plan_sync
from kbm.domain.versioning import Difference, propose
from kbm.services.reason_words import _FORMS, _pattern, reason_in
from kbm.services.report_pages import make_report

HR, EVERYONE = frozenset({"group:hr"}), frozenset({"everyone"})


def reasons() -> list[str]:
    """Let kbm's own rules give every reason they have."""
    brake, known = Brake(), {f"{n}.txt": Known(version="1", readers=HR) for n in range(30)}
    held = [
        *plan_sync(
            "docs", [Mark(cursor=None, full=True)], known, default_readers=HR, brake=brake
        ).held_because,
        *plan_sync(
            "docs", [Ref(id="1.txt", version="1", readers=EVERYONE)], known, default_readers=HR, brake=brake
        ).held_because,
        *plan_sync(
            "docs",
            [Ref(id="1.txt", version="2")],
            known,
            default_readers=HR,
            brake=brake,
            moved="/new is read now, /old before",
        ).held_because,
    ]
    _, because = propose(
        Difference(
            n_before=1,
            n_added=50,
            same_index_spec=False,
            same_answer_spec=False,
            sources_added=("wiki",),
            sources_removed=("dms", "erp"),
            n_widened=2,
        )
    )
    fell = [
        *_fell("hit@5", Change(value=-0.4, low=-0.6, high=-0.1), 0.9, 10, 0.03),
        *_fell("hit@5", Change(value=-0.4, low=-0.6, high=0.1), 0.9, 10, 0.03),
    ]
    odd = [f"3 of 9 documents would {words}" for words in _WORDS_FOR.values()]
    return [*held, *because, *fell, *_lost_too_many(9, 0), *_lost_too_many(3, 1), *odd]


@pytest.mark.parametrize("language", ["de", "fr"])
def test_every_reason_of_kbms_own_rules_is_translated_with_its_figures(language: str) -> None:
    given = reasons()

    told = [reason_in(language, one) for one in given]

    assert len(given) >= 14
    assert [one for one, now in zip(given, told, strict=True) if one == now] == []
    for one, now in zip(given, told, strict=True):
        assert sorted(re.findall(r"\d[\d.]*", one)) == sorted(re.findall(r"\d[\d.]*", now))


@pytest.mark.parametrize(("form", "german", "french"), _FORMS)
def test_each_form_has_the_same_parts_in_all_languages(form: str, german: str, french: str) -> None:
    parts = [
        {name for _, name, _, _ in string.Formatter().parse(one) if name} for one in (form, german, french)
    ]

    assert parts[0] == parts[1] == parts[2]
    assert len({form, german, french}) == 3
    assert _pattern(form).fullmatch(form.format(**{name: f"<{name}>" for name in parts[0]}))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("hr: permission denied", "hr: Zugriff verweigert"),
        ("the whole source: input/output error", "die ganze Quelle: Ein-/Ausgabefehler"),
        ("a: b.txt: permission denied", "a: b.txt: Zugriff verweigert"),
        ("the wiki does not answer", "the wiki does not answer"),
        ("HTTP 503: come back later", "HTTP 503: come back later"),
    ],
)
def test_a_place_stays_before_its_reason_and_what_others_say_stays_as_it_is(given: str, told: str) -> None:
    assert reason_in("de", given) == told
    assert reason_in("en", given) == given
    assert (reason_in("fr", given) == given) == (given == told)


def test_a_german_report_tells_why_in_german_and_its_data_stay_as_they_were() -> None:
    found = Findings(
        company="Keller",
        job=3,
        at=datetime(2026, 11, 2, 8, tzinfo=UTC),
        day=datetime(2026, 11, 2, tzinfo=UTC).date(),
        exit_code=3,
        sources=(SourceNews(source="dms", failures=("hr: permission denied",), n_failures=1),),
        gpts=(
            GptNews(
                gpt="offers",
                title="Offers",
                live="1.0.0",
                steps=(StepNews(version="2.0.0", built=True, held=("a MAJOR waits for a person",)),),
            ),
        ),
        waiting=(
            Waiting(
                subject="dms", why=("3 documents would get more readers",), people=(), command="kbm plans"
            ),
        ),
    )

    report = make_report(found, "de")

    for said in (
        "Zugriff verweigert",
        "ein MAJOR wartet auf einen Menschen",
        "3 Dokumente bekämen mehr Leser",
    ):
        assert said in report.markdown
        assert said in report.html
    assert "would get more readers" not in report.markdown
    assert report.data["waiting"][0]["why"] == ["3 documents would get more readers"]  # type: ignore[index,call-overload]
