"""The tables of both databases.

``catalogue.db`` is the truth about knowledge; ``journal.db`` holds what people asked, so that asking and
building never wait for each other. Times are UTC in ISO 8601, ids are the hex digests of
:mod:`kbm.domain.identity`. Documents also have a small number, ``no``, by which index rows point at them.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

catalogue = MetaData(naming_convention=NAMING)
journal = MetaData(naming_convention=NAMING)

source = Table(
    "source",
    catalogue,
    Column("name", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("cursor", Text),  # JSON, the connector's own
    Column("synced_at", String),  # last scan that ended
    Column("last_error", Text),  # of the last scan, if it failed
    Column("approved", Text, nullable=False, server_default="[]"),  # item ids a person let through, JSON
)

document = Table(
    "document",
    catalogue,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("source", String, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("parent_no", Integer, ForeignKey("document.no")),  # the mail an attachment came in
    Column("title", Text, nullable=False, server_default=""),
    Column("url", Text, nullable=False, server_default=""),
    Column("author", Text, nullable=False, server_default=""),
    Column("modified", String),
    Column("media_type", String, nullable=False, server_default=""),  # as the source said
    Column("ref_version", Text, nullable=False),  # the source's version of what is stored
    Column("scope", Text, nullable=False, server_default=""),
    Column("readers", Text, nullable=False),  # sorted JSON list
    Column("present", Integer, nullable=False, server_default="1"),
    Column("removed_at", String),
    Column("version_id", String),  # the version the next release takes; null while there is none
    Column("reason", String),  # why its newest content is in quarantine
    Column("reason_text", Text),
    Column("first_seen", String, nullable=False),
    Column("changed_at", String, nullable=False),
    UniqueConstraint("source", "item_id"),
    Index("ix_document_parent_no", "parent_no"),
    sqlite_autoincrement=True,
)

document_version = Table(
    "document_version",
    catalogue,
    Column("id", String, primary_key=True),
    Column("document_no", Integer, ForeignKey("document.no"), nullable=False, index=True),
    Column("content", String, nullable=False),
    Column("parser_digest", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("modified", String),
    Column("created_at", String, nullable=False),
)

parsed = Table(
    "parsed",
    catalogue,
    Column("content", String, primary_key=True),
    Column("parser_digest", String, primary_key=True),
    Column("body", LargeBinary),  # zlib over JSON; null when parsing failed
    Column("reason", String),
    Column("reason_text", Text),
    Column("created_at", String, nullable=False),
    CheckConstraint("(body IS NULL) <> (reason IS NULL)", name="body_or_reason"),
)

chunked = Table(
    "chunked",
    catalogue,
    Column("version_id", String, primary_key=True),
    Column("chunker_digest", String, primary_key=True),
    Column("n_chunks", Integer, nullable=False),
)

chunk = Table(
    "chunk",
    catalogue,
    Column("id", String, primary_key=True),
    Column("version_id", String, nullable=False),
    Column("chunker_digest", String, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("section", Text, nullable=False),  # JSON list
    Column("page", Integer),
    Index("ix_chunk_version_id", "version_id", "chunker_digest", "ordinal"),
)

visibility_change = Table(
    "visibility_change",
    catalogue,
    Column("epoch", Integer, primary_key=True, autoincrement=True),
    Column("document_no", Integer, ForeignKey("document.no"), nullable=False),
    Column("change", String, nullable=False),  # readers | withdrawn | returned
    Column("readers", Text, nullable=False),
    Column("at", String, nullable=False),
    sqlite_autoincrement=True,
)

sync_plan = Table(
    "sync_plan",
    catalogue,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("source", String, nullable=False),
    Column("state", String, nullable=False),
    Column("body", Text, nullable=False),  # JSON
    Column("created_at", String, nullable=False),
    Column("decided_at", String),
    Column("decided_by", String),
    Index("ix_sync_plan_source", "source", "state"),
    sqlite_autoincrement=True,
)

release = Table(
    "release",
    catalogue,
    Column("gpt", String, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("version", String, nullable=False),
    Column("state", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("index_digest", String, nullable=False),
    Column("index_spec", Text, nullable=False),
    Column("answer_spec", Text, nullable=False),
    Column("n_documents", Integer, nullable=False),
    Column("n_chunks", Integer, nullable=False),
    Column("gate", String, nullable=False),
    Column("tools", Text, nullable=False),
    Column("created_at", String, nullable=False),
    Column("published_at", String),
    Column("gate_report", Text),  # JSON
    UniqueConstraint("gpt", "version"),
)

membership = Table(
    "membership",
    catalogue,
    Column("gpt", String, nullable=False),
    Column("version_id", String, nullable=False),
    Column("from_seq", Integer, nullable=False),
    Column("to_seq", Integer),  # the last release that holds it; null while the newest does
    UniqueConstraint("gpt", "version_id", "from_seq"),
    Index("ix_membership_gpt_to_seq", "gpt", "to_seq"),
)

segment = Table(
    "segment",
    catalogue,
    Column("gpt", String, primary_key=True),
    Column("spec_digest", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("first_row", Integer, nullable=False),
    Column("n_rows", Integer, nullable=False),
    Column("blake2b", String, nullable=False),
)

pointer = Table(
    "pointer",
    catalogue,
    Column("gpt", String, primary_key=True),
    Column("name", String, primary_key=True),  # live | previous
    Column("seq", Integer, nullable=False),
)

pointer_move = Table(
    "pointer_move",
    catalogue,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("gpt", String, nullable=False),
    Column("name", String, nullable=False),
    Column("from_version", String),
    Column("to_version", String, nullable=False),
    Column("at", String, nullable=False),
    Column("who", String, nullable=False),
    Column("why", Text, nullable=False),
    sqlite_autoincrement=True,
)

golden_question = Table(
    "golden_question",
    catalogue,
    Column("gpt", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("question", Text, nullable=False),
    Column("language", String, nullable=False),
    Column("expected", Text, nullable=False),  # JSON lists, as the three below
    Column("must_contain", Text, nullable=False),
    Column("must_not_contain", Text, nullable=False),
    Column("readers", Text, nullable=False),
    Column("critical", Integer, nullable=False),
    Column("answerable", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("added_at", String, nullable=False),
)

job = Table(
    "job",
    catalogue,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),  # sync | build
    Column("subject", String, nullable=False),
    Column("state", String, nullable=False),  # running | done | held | failed
    Column("pid", Integer, nullable=False),
    Column("started_at", String, nullable=False),
    Column("ended_at", String),
    Column("error", Text),
    sqlite_autoincrement=True,
)

answer = Table(
    "answer",
    journal,
    Column("id", String, primary_key=True),
    Column("gpt", String, nullable=False),
    Column("release", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("asked_at", String, nullable=False),
    Column("question", Text, nullable=False),
    Column("user_label", String),
    Column("outcome", String, nullable=False),
    Column("cause", String),
    Column("confidence", Float, nullable=False),
    Column("hits", Text, nullable=False),  # JSON: chunk ids in order
    Column("citations", Text, nullable=False),  # JSON: [chunk id, start, end]
    Column("degraded", Text, nullable=False),  # JSON
    Column("took_ms", Integer, nullable=False),
    Index("ix_answer_gpt_asked_at", "gpt", "asked_at"),
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
