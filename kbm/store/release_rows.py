"""Rows of the table of releases, read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row

from kbm.domain.calibration import Calibration, from_json
from kbm.domain.evaluation import Difference, GateReport, GateVerdict, Override
from kbm.domain.identity import Digest
from kbm.domain.releases import (
    AnswerSpec,
    Approved,
    IndexSpec,
    Release,
    ReleaseContent,
    ReleaseState,
    Version,
)
from kbm.store.engine import iso, moment, to_json


def columns_of(made: Release) -> Mapping[str, Any]:
    """Give a release as columns."""
    return {
        "gpt": made.gpt,
        "seq": made.seq,
        "version": str(made.version),
        "state": made.state,
        "digest": made.digest,
        "index_digest": made.index_digest,
        "index_spec": to_json(asdict(made.index_spec)),
        "answer_spec": to_json(asdict(made.answer_spec)),
        "approved": to_json(asdict(made.approved)),
        "calibration": to_json(asdict(made.calibration)) if made.calibration else None,
        "sources": to_json(made.sources),
        "epoch": made.epoch,
        "n_documents": made.n_documents,
        "n_chunks": made.n_chunks,
        "gate": made.gate,
        "tools": to_json(dict(made.tools)),
        "created_at": iso(made.created_at),
        "published_at": iso(made.published_at),
    }


def release_of(row: Row[Any]) -> Release:
    """Make a release of a row of the table."""
    return Release(
        gpt=row.gpt,
        version=Version.parse(row.version),
        seq=row.seq,
        state=ReleaseState(row.state),
        digest=Digest(row.digest),
        index_digest=Digest(row.index_digest),
        index_spec=IndexSpec(**json.loads(row.index_spec)),
        answer_spec=answer_spec_of(row.answer_spec),
        approved=_approved_of(row.approved),
        calibration=_calibration_of(row.calibration) if row.calibration else None,
        sources=tuple(json.loads(row.sources)),
        epoch=row.epoch,
        n_documents=row.n_documents,
        n_chunks=row.n_chunks,
        gate=row.gate,
        override=override_of(row.override) if row.override else None,
        label=row.label or "",
        content=ReleaseContent(row.content),
        content_at=moment(row.content_at),
        redacted_at=moment(row.redacted_at),
        first_digest=Digest(row.first_digest) if row.first_digest else None,
        tools=json.loads(row.tools),
        created_at=datetime.fromisoformat(row.created_at),
        published_at=moment(row.published_at),
    )


@lru_cache(maxsize=64)
def _calibration_of(stored: str) -> Calibration:
    """Read measured thresholds; every answer does, and it is the live release's nearly always."""
    return from_json(json.loads(stored))


@lru_cache(maxsize=64)
def _approved_of(stored: str) -> Approved:
    """Read what people approved."""
    kept: dict[str, Any] = json.loads(stored)  # Any is JSON
    lists = {name: tuple(value) for name, value in kept.items() if isinstance(value, list)}
    synonyms = tuple(tuple(group) for group in kept.get("synonyms", ()))
    return Approved(**{**kept, **lists, "synonyms": synonyms})


@lru_cache(maxsize=64)
def answer_spec_of(stored: str) -> AnswerSpec:
    """Read an answer spec as it is stored."""
    kept: dict[str, Any] = json.loads(stored)  # Any is JSON
    lists = {name: tuple(value) for name, value in kept.items() if isinstance(value, list)}
    synonyms = tuple(tuple(group) for group in kept.get("synonyms", ()))
    return AnswerSpec(**{**kept, **lists, "synonyms": synonyms})


def override_json(override: Override) -> str:
    """Write an override as it is stored."""
    return to_json(
        {
            "who": override.who,
            "as": override.sponsor,
            "at": iso(override.at),
            "reason": override.reason,
            "verdict": override.verdict,
        }
    )


def override_of(stored: str) -> Override:
    """Read what :func:`override_json` wrote."""
    kept = json.loads(stored)
    return Override(
        who=kept["who"],
        sponsor=kept["as"],
        at=datetime.fromisoformat(kept["at"]),
        reason=kept["reason"],
        verdict=GateVerdict(kept["verdict"]),
    )


def gate_report_of(stored: str) -> GateReport:
    """Read what :meth:`kbm.store.releases.Releases.set_gate` wrote."""
    kept: dict[str, Any] = json.loads(stored)
    for name in ("hit_at_5_change", "citation_coverage_change"):
        kept[name] = Difference(**kept[name]) if kept[name] else None
    lists = {name: tuple(value) for name, value in kept.items() if isinstance(value, list)}
    return GateReport(**{**kept, **lists, "verdict": GateVerdict(kept["verdict"])})
