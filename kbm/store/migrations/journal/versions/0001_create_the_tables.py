"""Create the tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_tokens",
        sa.Column("gpt", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("gpt", "day", name=op.f("pk_agent_tokens")),
    )
    op.create_table(
        "answer",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("gpt", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.String(), nullable=False),
        sa.Column("release_digest", sa.String(), nullable=False),
        sa.Column("question", sa.Text(), nullable=True),
        sa.Column("kept_mac", sa.String(), nullable=True),
        sa.Column("question_mac", sa.String(), nullable=False),
        sa.Column("readers", sa.Text(), nullable=False),
        sa.Column("k", sa.Integer(), nullable=False),
        sa.Column("canary", sa.Integer(), server_default="0", nullable=False),
        sa.Column("user_label", sa.String(), nullable=True),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("door", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("hits", sa.Text(), nullable=False),
        sa.Column("citations", sa.Text(), nullable=False),
        sa.Column("degraded", sa.Text(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("withheld", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cost", sa.Float(), nullable=True),
        sa.Column("made_with", sa.String(), nullable=False),
        sa.Column("filters", sa.Text(), nullable=True),
        sa.Column("model", sa.String(), server_default="", nullable=False),
        sa.Column("prompt_digest", sa.String(), server_default="", nullable=False),
        sa.Column("seal", sa.String(), nullable=False),
        sa.Column("redacted_at", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
    )
    with op.batch_alter_table("answer", schema=None) as batch_op:
        batch_op.create_index("ix_answer_gpt_asked_at", ["gpt", "asked_at"], unique=False)

    op.create_table(
        "gap",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("gpt", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("keywords", sa.Text(), nullable=False),
        sa.Column("theme", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("second", sa.String(), nullable=True),
        sa.Column("ask", sa.String(), nullable=True),
        sa.Column("scores", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("n_asked", sa.Integer(), nullable=False),
        sa.Column("n_people", sa.Integer(), nullable=False),
        sa.Column("centroid", sa.LargeBinary(), nullable=True),
        sa.Column("first_seen", sa.String(), nullable=False),
        sa.Column("last_seen", sa.String(), nullable=False),
        sa.Column("dismissed_at", sa.Integer(), nullable=True),
        sa.Column("closed_at", sa.String(), nullable=True),
        sa.Column("closed_in", sa.String(), server_default="", nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gap")),
    )
    with op.batch_alter_table("gap", schema=None) as batch_op:
        batch_op.create_index("ix_gap_gpt_state", ["gpt", "state"], unique=False)

    op.create_table(
        "imported_question",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("gpt", sa.String(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.String(), nullable=True),
        sa.Column("user_label", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("n_asked", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.String(), nullable=False),
        sa.Column("vouched_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imported_question")),
    )
    with op.batch_alter_table("imported_question", schema=None) as batch_op:
        batch_op.create_index("ix_imported_question_gpt", ["gpt"], unique=False)

    op.create_table(
        "key_use",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("n_requests", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "day", name=op.f("pk_key_use")),
    )
    op.create_table(
        "review",
        sa.Column("gpt", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("rare", sa.Text(), nullable=False),
        sa.Column("themes", sa.Text(), nullable=False),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("nights", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("gpt", name=op.f("pk_review")),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("answer_id", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["answer.id"], name=op.f("fk_feedback_answer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("feedback", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_feedback_answer_id"), ["answer_id"], unique=False)

    op.create_table(
        "gap_question",
        sa.Column("gap_id", sa.String(), nullable=False),
        sa.Column("question_id", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["gap_id"], ["gap.id"], name=op.f("fk_gap_question_gap_id")),
        sa.PrimaryKeyConstraint("gap_id", "question_id", name=op.f("pk_gap_question")),
    )
    with op.batch_alter_table("gap_question", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_gap_question_question_id"), ["question_id"], unique=False)
