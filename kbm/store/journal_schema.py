"""The tables of ``journal.db``: what was asked, answered and thought of it. The API writes here, and nowhere else."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

from kbm.store.schema import NAMING

journal = MetaData(naming_convention=NAMING)

answer = Table(
    "answer",
    journal,
    Column("id", String, primary_key=True),
    Column("gpt", String, nullable=False),
    Column("release", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("asked_at", String, nullable=False),
    Column("release_digest", String, nullable=False),
    Column("question", Text),  # null once its retention is over
    Column("question_mac", String, nullable=False),  # keyed hash
    Column("readers", Text, nullable=False),  # JSON: what the caller could read as
    Column("k", Integer, nullable=False),
    Column("canary", Integer, nullable=False, server_default="0"),
    Column("user_label", String),
    Column("outcome", String, nullable=False),
    Column("cause", String),
    Column("confidence", Float, nullable=False),
    Column("hits", Text, nullable=False),  # JSON: chunk ids in order; {"erased": mark} after an erasure
    Column("citations", Text, nullable=False),  # JSON: [chunk id, start, end, keyed hash]; erased as above
    Column("degraded", Text, nullable=False),  # JSON
    Column("took_ms", Integer, nullable=False),
    Column("made_with", String, nullable=False),  # the version of kbm that answered
    Column("seal", String, nullable=False),  # keyed hash of the receipt
    Column("redacted_at", String),  # an erasure left marks of hits or citations: Journal.redact
    Index("ix_answer_gpt_asked_at", "gpt", "asked_at"),
)

key_use = Table(
    "key_use",
    journal,
    Column("subject", String, primary_key=True),  # a key's id, or a keyed hash of who signed in
    Column("day", String, primary_key=True),
    Column("n_requests", Integer, nullable=False),
)

feedback = Table(
    "feedback",
    journal,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("answer_id", String, ForeignKey("answer.id"), nullable=False, index=True),
    Column("verdict", String, nullable=False),  # helpful | unhelpful | problem
    Column("comment", Text),
    Column("at", String, nullable=False),
    sqlite_autoincrement=True,
)
