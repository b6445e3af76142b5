"""Gaps and suggestions as JSON: the same at the command line and over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kbm.domain.fixes import Fix
from kbm.domain.known_gaps import Gap
from kbm.domain.suggestions import Asked, Suggestion
from kbm.services.show_suggestion import Quote, ShownAnswer, ShownGap, ShownSuggestion
from kbm.services.suggestion_words import cause, does, owner_question, proof

_FIX: TypeAdapter[Fix] = TypeAdapter(Fix)

Json = dict[str, Any]


def read_fix(value: object) -> Fix:
    """Read a fix as :func:`shown_json` writes it.

    Raises:
        ValueError: it is none of the list; every fault is named.
    """
    try:
        return _FIX.validate_python(value)
    except ValidationError as error:
        raise ValueError("; ".join(dict.fromkeys(one["msg"] for one in error.errors()))[:500]) from None


def suggestion_json(one: Suggestion, fix: Fix, language: str) -> Json:
    """Give a suggestion in short; *fix* is what it would do, as the looker may see it."""
    preview = one.preview
    return {
        "id": one.id,
        "gpt": one.gpt,
        "proposed_by": one.proposed_by,
        "kind": one.fix.kind,
        "does": does(fix, language),
        "cause": one.proposal.cause,
        "why": one.proposal.why,
        "gap": one.proposal.gap or None,
        "risk": one.risk,
        "route": one.route,
        "state": one.state,
        "questions": one.proposal.n_questions,
        "proof": proof(one, language) or None,
        "gap_answered": list(preview.n_answered) if preview else None,
        "gap_replayed": preview.count(Asked.GAP) if preview else None,
        "improved": preview.n_improved if preview else None,
        "broken": preview.n_broken if preview else None,
        "created_at": one.created_at.isoformat(),
        "expires_at": one.expires_at.isoformat(),
        "snoozed_until": one.snoozed_until.isoformat() if one.snoozed_until else None,
        "decided_by": one.decided_by or None,
        "decided_at": one.decided_at.isoformat() if one.decided_at else None,
        "applied_in": one.applied_in or None,
        "seal": one.seal,
    }


def shown_json(shown: ShownSuggestion, language: str) -> Json:
    """Give a suggestion with all that a person decides by."""
    one = shown.suggestion
    gap = shown.gap
    return {
        **suggestion_json(one, shown.fix, language),
        "fix": _FIX.dump_python(shown.fix, mode="json"),
        "about": list(shown.about),
        "cause_in_words": cause(one.proposal.cause, language) if one.proposal.cause else None,
        "ask_owner": owner_question(gap.ask, language) if gap and gap.ask else None,
        "asked": list(shown.questions),
        "asked_hidden": shown.n_hidden,
        "evidence": [_quote(each) for each in shown.evidence],
        "preview_holds": shown.proof_holds,
        "replayed": [
            {
                "question": each.question or None,
                "asked": each.asked,
                "change": each.change,
                "before": _answer(each.before),
                "after": _answer(each.after),
            }
            for each in shown.replayed
        ],
    }


def gap_json(one: Gap, title: str) -> Json:
    """Give a gap in short; *title* is as the looker may see it."""
    return {
        "id": one.id,
        "gpt": one.gpt,
        "title": title,
        "keywords": list(one.name.keywords),
        "theme": one.theme,
        "cause": one.cause,
        "second_cause": one.second,
        "ask_owner": one.ask,
        "asked": one.n_asked,
        "people": one.n_people,
        "trend": one.trend,
        "state": one.state,
        "language": one.language,
        "first_seen": one.first_seen.isoformat(),
        "last_seen": one.last_seen.isoformat(),
        "closed_in": one.closed_in or None,
    }


def shown_gap_json(shown: ShownGap, title: str) -> Json:
    """Give a gap with its questions and evidence."""
    return {
        **gap_json(shown.gap, title),
        "questions": list(shown.questions),
        "questions_hidden": shown.n_hidden,
        "evidence": [_quote(one) for one in shown.evidence],
        "scores": dict(shown.gap.scores),
        "counts": [{"day": day, "asked": n} for day, n in shown.gap.counts],
    }


def _quote(one: Quote) -> Json:
    return {name: value or None for name, value in asdict(one).items()}


def _answer(one: ShownAnswer) -> Json:
    return {
        "outcome": one.outcome,
        "confidence": one.confidence,
        "quotes": [_quote(each) for each in one.quotes],
    }
