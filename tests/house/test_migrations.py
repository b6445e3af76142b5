"""Migrations and the schema say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, create_engine, text

from kbm.store import engine as store
from kbm.store.journal_schema import journal
from kbm.store.schema import catalogue

MIGRATIONS = Path(store.__file__).parent / "migrations"
DATABASES = {"catalogue": catalogue, "journal": journal}

databases = pytest.mark.parametrize(("name", "metadata"), DATABASES.items(), ids=DATABASES)


@databases
def test_the_migrations_make_the_schema(name: str, metadata: MetaData, tmp_path: Path) -> None:
    migrated = store.open_database(tmp_path, name)
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        differences = compare_metadata(context, metadata)

    assert differences == []


@databases
def test_constraints_and_defaults_agree_to_the_letter(name: str, metadata: MetaData, tmp_path: Path) -> None:
    """The comparison above sees neither check constraints nor AUTOINCREMENT, and no empty defaults."""
    migrated = store.open_database(tmp_path, name)
    plain = create_engine(f"sqlite:///{tmp_path / 'plain.db'}")
    metadata.create_all(plain)

    assert _statements(migrated) == _statements(plain)


@pytest.mark.parametrize("name", DATABASES)
def test_the_head_named_in_the_engine_is_the_newest_revision(name: str) -> None:
    script = ScriptDirectory(str(MIGRATIONS / name))

    assert script.get_heads() == [store._HEADS[name]]


@pytest.mark.parametrize("name", DATABASES)
def test_every_revision_has_a_number_and_says_what_it_does(name: str) -> None:
    for path in sorted((MIGRATIONS / name / "versions").glob("*.py")):
        number, _, told = path.stem.partition("_")

        assert number.isdigit()
        assert len(number) == 4
        assert told


def _statements(engine: Engine) -> dict[str, list[str]]:
    """Give every statement as sorted lines: the order of constraints means nothing."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all()
    return {
        name: sorted(line.strip().rstrip(",") for line in sql.splitlines())
        for name, sql in rows
        if name != "alembic_version" and not name.startswith("sqlite_")
    }
