"""The tables of ``journal.db``: what was asked, answered and thought of it. The API writes here, and nowhere else."""

from __future__ import annotations

from sqlalchemy import (
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
)

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
    Column("question", Text),  # redacted; null once its retention is over
    Column(
        "kept_mac", String
    ),  # keyed hash of a question that redacting changed; null: it is as it was asked
    Column("question_mac", String, nullable=False),  # keyed hash
    Column("readers", Text, nullable=False),  # JSON: what the caller could read as
    Column("k", Integer, nullable=False),
    Column("canary", Integer, nullable=False, server_default="0"),
    Column("user_label", String),  # keyed hash; null without one, and once its retention is over
    Column("key_id", String),  # '' where no key was needed
    Column("door", String),  # rest | cli | mcp | openai …
    Column("outcome", String, nullable=False),
    Column("cause", String),
    Column("confidence", Float, nullable=False),
    Column("hits", Text, nullable=False),  # JSON: chunk ids in order; {"erased": mark} after an erasure
    Column("citations", Text, nullable=False),  # JSON: [chunk id, start, end, keyed hash]; erased as above
    Column("degraded", Text, nullable=False),  # JSON
    Column("took_ms", Integer, nullable=False),
    Column("withheld", Integer, nullable=False, server_default="0"),  # sentences that failed a check
    Column("tokens", Integer, nullable=False, server_default="0"),  # of chat models, in and out
    Column("cost", Float),  # null: no price is known, or nothing was spent
    Column("made_with", String, nullable=False),  # the version of kbm that answered
    Column("filters", Text),  # JSON: what the search was narrowed to; null for everything
    Column("model", String, nullable=False, server_default=""),  # that wrote the sentences; empty: quoted
    Column("prompt_digest", String, nullable=False, server_default=""),
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

agent_tokens = Table(
    "agent_tokens",
    journal,
    Column("gpt", String, primary_key=True),
    Column("day", String, primary_key=True),  # of UTC
    Column("n", Integer, nullable=False),  # tokens of chat models, in and out
)

imported_question = Table(
    "imported_question",
    journal,
    Column("id", String, primary_key=True),  # keyed hash of what makes it another one than the others
    Column("gpt", String, nullable=False),
    Column("question", Text, nullable=False),  # redacted
    Column("asked_at", String),
    Column("user_label", String),  # keyed hash
    Column("outcome", String),  # answered | uncertain | unanswered; null where the file does not say
    Column("n_asked", Integer, nullable=False),
    Column("imported_at", String, nullable=False),
    Column("vouched_by", String),  # who stands for their being kept and read here
    Index("ix_imported_question_gpt", "gpt"),
)

gap = Table(
    "gap",
    journal,
    Column("id", String, primary_key=True),
    Column("gpt", String, nullable=False),
    Column("state", String, nullable=False),  # open | dismissed | closed | reopened
    Column("title", Text, nullable=False),  # a question as typed; empty once its retention is over
    Column("keywords", Text, nullable=False),  # JSON list
    Column("theme", String, nullable=False),
    Column("language", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("second", String),
    Column("ask", String),  # what to ask the owner where two causes are about as likely
    Column("scores", Text, nullable=False),  # JSON
    Column("evidence", Text, nullable=False),  # JSON: [chunk id, document id, start, end]; no text
    Column("n_asked", Integer, nullable=False),
    Column("n_people", Integer, nullable=False),
    Column("centroid", LargeBinary),  # float32; null without an embedder, and once a member is forgotten
    Column("first_seen", String, nullable=False),
    Column("last_seen", String, nullable=False),
    Column("dismissed_at", Integer),  # its count when it was dismissed
    Column("closed_at", String),
    Column("closed_in", String, nullable=False, server_default=""),  # the release that answers it
    Column("counts", Text, nullable=False),  # JSON: [day, n_asked], oldest first
    Index("ix_gap_gpt_state", "gpt", "state"),
)

gap_question = Table(
    "gap_question",
    journal,
    Column("gap_id", String, ForeignKey("gap.id"), primary_key=True),
    Column("question_id", String, primary_key=True, index=True),  # an answer, or an imported question
    Column("place", Integer, nullable=False),  # the most central first
)

review = Table(
    "review",
    journal,
    Column("gpt", String, primary_key=True),
    Column("at", String, nullable=False),
    Column("rare", Text, nullable=False),  # JSON list: ids of questions seen once or twice
    Column("themes", Text, nullable=False),  # JSON: [theme id, gap ids]
    Column("problems", Text, nullable=False),  # JSON: detector and what it said
    Column("figures", Text, nullable=False),  # JSON: by name
    Column("nights", Text, nullable=False),  # JSON: [day, figures], oldest first
)
