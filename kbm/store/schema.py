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

source = Table(
    "source",
    catalogue,
    Column("name", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("cursor", Text),  # JSON, the connector's own
    Column("synced_at", String),  # last scan that ended
    Column("tried_at", String),  # last scan, however it ended
    Column("last_error", Text),  # of the last scan, if it failed
    Column("failed_scopes", Text, nullable=False, server_default="[]"),  # JSON: what it could not list
    Column("approved", Text, nullable=False, server_default="{}"),  # JSON: what was let through, by item
    Column("root", Text),  # what was read, without secrets
    Column("readers", Text),  # JSON list: the default readers that the last whole scan went by
    Column("delays", Text, nullable=False, server_default="{}"),  # JSON: seconds by kind of change
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

document_content = Table(
    "document_content",
    catalogue,
    Column("document_no", Integer, ForeignKey("document.no"), primary_key=True),
    Column("content", String, primary_key=True, index=True),  # also of what is in quarantine, or was replaced
)

parsed = Table(
    "parsed",
    catalogue,
    Column("content", String, primary_key=True),
    Column("parser_digest", String, primary_key=True),
    Column("body", LargeBinary),  # zlib over JSON; null when parsing failed
    Column("poor", String),  # what is wrong with the text, parted by spaces; null when it was read well
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
    Column(
        "approved", Text, nullable=False, server_default="{}"
    ),  # JSON: what people approved beyond kbm.toml
    Column("calibration", Text),  # JSON: thresholds as measured; null where there was too little to measure
    Column("sources", Text, nullable=False),  # JSON list
    Column("epoch", Integer, nullable=False),  # of visibility, when it was built
    Column("n_documents", Integer, nullable=False),
    Column("n_chunks", Integer, nullable=False),
    Column("gate", String, nullable=False),
    Column("tools", Text, nullable=False),
    Column("created_at", String, nullable=False),
    Column("published_at", String),
    Column("gate_report", Text),  # JSON
    Column("override", Text),  # JSON: who let it through against the gate, when and why
    Column("label", Text),  # a labelled release is never evicted
    Column("content", String, nullable=False, server_default="indexed"),  # indexed | evicted | purged
    Column("content_at", String),  # when the content became what it is
    Column("redacted_at", String),  # an erasure took documents out of it
    Column("first_digest", String),  # before the first erasure; null while nothing was erased
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
    Column("name", String, primary_key=True),  # live | previous | canary
    Column("seq", Integer, nullable=False),
)

canary = Table(
    "canary",
    catalogue,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("gpt", String, nullable=False),
    Column("target", String, nullable=False),  # the version it becomes when promoted
    Column("rc", Integer, nullable=False),  # raised by each rebase
    Column("group", Text),  # these readers get it
    Column("share", Float),  # or this share of everybody, in (0, 1]
    Column("salt", String, nullable=False),
    Column("state", String, nullable=False),  # running | promoted | stopped
    Column("started_at", String, nullable=False),
    Column("ended_at", String),
    Column("who", String, nullable=False),
    Column("why", Text, nullable=False),
    Column("ended_why", Text),
    Column("replay", Text),  # JSON: the paired replay before it started
    Column("n_errors", Integer, nullable=False, server_default="0"),
    Column("n_violations", Integer, nullable=False, server_default="0"),
    Index("ix_canary_gpt_state", "gpt", "state"),
    sqlite_autoincrement=True,
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

suggestion = Table(
    "suggestion",
    catalogue,
    Column("id", String, primary_key=True),
    Column("gpt", String, nullable=False),
    Column("proposed_by", String, nullable=False),
    Column("proposal", Text, nullable=False),  # JSON: the fix and what speaks for it
    Column("preview", Text),  # JSON: spans and outcomes, no text
    Column("state", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("proposed_at", String, nullable=False),  # the last time it was found true
    Column("expires_at", String, nullable=False),
    Column("snoozed_until", String),
    Column("decided_at", String),
    Column("decided_by", String, nullable=False, server_default=""),
    Column("applied_in", String, nullable=False, server_default=""),  # the release it came into effect with
    Index("ix_suggestion_gpt_state", "gpt", "state"),
)

healing = Table(
    "healing",
    catalogue,
    Column("subject", String, primary_key=True),  # hash of a source, a document, or a GPT with its index
    Column("n", Integer, nullable=False),  # tries in a row
    Column("at", String, nullable=False),
    Column("problem", String, nullable=False),  # a short code; empty where it worked
)

lease = Table(
    "lease",
    catalogue,
    Column("name", String, primary_key=True),
    Column("token", Integer, nullable=False),  # raised by each holder: what an earlier one writes is refused
    Column("holder", Text),  # JSON: pid, its start, host, boot, work, since; null while free
    Column("until", Float),  # monotonic seconds of that boot
)

erasure = Table(
    "erasure",
    catalogue,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("item", String, nullable=False, unique=True),  # keyed hash of source and item id
    Column("document_no", Integer),  # until the erasure is done
    Column("step", String, nullable=False),  # the last step that is finished
    Column("started_at", String, nullable=False),
    Column("finished_at", String),
    Column("who", String, nullable=False),
    Column("certificate", Text),  # JSON
    sqlite_autoincrement=True,
)

api_key = Table(
    "api_key",
    catalogue,
    Column("id", String, primary_key=True),  # the part of the key that may be shown
    Column("name", Text, nullable=False),
    Column("hash", String, nullable=False),
    Column("actions", Text, nullable=False),  # JSON list, as readers
    Column("gpts", Text),  # JSON list; null: every GPT
    Column("readers", Text, nullable=False),
    Column("person", String, nullable=False, server_default=""),  # who alone uses it
    Column("per_minute", Integer),  # requests; null: no limit
    Column("per_day", Integer),
    Column("created_at", String, nullable=False),
    Column("created_by", String, nullable=False),
    Column("expires_at", String),
    Column("revoked_at", String),
)

audit = Table(
    "audit",
    catalogue,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", String, nullable=False),
    Column("who", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON of ids and digests, never of text
    Column("reason_hash", String, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

audit_reason = Table(
    "audit_reason",
    catalogue,
    Column("audit_id", Integer, ForeignKey("audit.id"), primary_key=True),
    Column("text", Text, nullable=False),  # erasable: its hash stays in the chain
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
