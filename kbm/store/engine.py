"""Opens a database: SQLite in WAL mode, brought to the newest schema.

Transactions that write begin with ``BEGIN IMMEDIATE``, so that two writers queue instead of failing half-way;
reads take no lock. Everything above uses SQLAlchemy, so that PostgreSQL can serve later.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text

from kbm.errors import Busy, DatabaseNewer, StorageFailed
from kbm.faults import fault_point
from kbm.store.connecting import READ_ONLY, connect_without_room
from kbm.store.journal_schema import journal
from kbm.store.schema import catalogue
from kbm.store.swap import ensure_not_half_restored

WRITES = "kbm_writes"
"""Execution option of an engine whose transactions write."""

WAIT_S = 5.0
"""How long a transaction waits for another one to end; ours end within 200 ms."""

Fence = Callable[[Connection], None]
"""Raises where a write transaction must not go on."""

_CHECKPOINT_TRIES, _CHECKPOINT_WAIT_S = 50, 0.1

_HEADS = {"catalogue": "0001", "journal": "0001"}
_METADATA = {"catalogue": catalogue, "journal": journal}


def open_database(folder: Path, name: str, fence: Fence | None = None) -> Engine:
    """Open ``folder/<name>.db``, creating or upgrading it.

    *fence* is asked as soon as a write transaction has begun, before anything else can; what it raises ends it.

    Raises:
        DatabaseNewer: a newer kbm wrote it.
        StorageFailed: it cannot be created, or a restore of the folder was cut short.
    """
    ensure_not_half_restored(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.db"
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": WAIT_S})
    connect_without_room(engine, path)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", partial(_on_begin, fence))
    event.listen(engine, "handle_error", _on_error)
    _upgrade(engine, name)
    return engine


def writing(engine: Engine) -> Engine:
    """Give the same engine for transactions that write."""
    return engine.execution_options(**{WRITES: True})


def _on_connect(connection: Any, _record: Any) -> None:
    """Set what holds for a connection; the driver's objects are untyped."""
    connection.isolation_level = None  # transactions begin where we say, see _on_begin
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={WAIT_S * 1000:.0f}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(fence: Fence | None, connection: Connection) -> None:
    if not connection.get_execution_options().get(WRITES):
        connection.exec_driver_sql("BEGIN")
        return
    if READ_ONLY in connection.info:
        raise StorageFailed(
            "the database in the data folder cannot be written: the disk is full or read-only",
            hint="what was finished is kept; make room or mend the rights, then run the same command again",
        )
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if fence is not None:
        try:
            fence(connection)
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise


def _on_error(context: ExceptionContext) -> None:
    """Say faults of the disk and a writer that does not end in words; all others stay what they are."""
    said = str(context.original_exception)
    if "database is locked" in said:
        raise Busy(
            f"another process has been writing to the database for {WAIT_S:.0f} s",
            hint="run the command again; nothing was changed",
        ) from context.original_exception
    for sign, told in _DISK_FAULTS.items():
        if sign in said:
            raise StorageFailed(
                f"the database in the data folder cannot be written: {told}",
                hint="what was finished is kept; make room or mend the rights, then run the same command again",
            ) from context.original_exception


_DISK_FAULTS = {
    "disk is full": "the disk is full",
    "readonly database": "it is read-only",
    "unable to open database file": "it cannot be opened or created",
    "disk I/O error": "the disk reports a fault or is full",
}


def empty_free_pages(engine: Engine) -> None:
    """Write a database anew without what was deleted from it, and cut its log off: no byte of that is left.

    Raises:
        Busy: somebody kept reading the log for seconds.
    """
    pooled = engine.raw_connection()
    try:
        cursor = pooled.cursor()
        cursor.execute("VACUUM")
        for _ in range(_CHECKPOINT_TRIES):
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy, *_ = cursor.fetchone() or (1,)
            if not busy:
                return
            time.sleep(_CHECKPOINT_WAIT_S)
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise StorageFailed(
                f"{engine.url.database} cannot be written anew: {error}",
                hint="make room for a second copy of it, then run the same command again",
            ) from error
    finally:
        pooled.close()
    raise Busy(
        f"{engine.url.database} is being read all the time, so its log cannot be cut off",
        hint="run the command again; what was finished is kept",
    )


def _upgrade(engine: Engine, name: str) -> None:
    if _revision(engine) == _HEADS[name]:
        return
    # Alembic takes a third of a second to import; a database that is current does not need it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations" / name))
    config.attributes["metadata"] = _METADATA[name]
    with fault_point("database.upgrade"), writing(engine).begin() as connection:
        # Asked again under the lock: another process may have upgraded it meanwhile.
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        found = _revision_in(connection)
        if found is not None and found not in known:
            raise DatabaseNewer(
                f"{engine.url.database} was written by a newer kbm (schema {found})",
                hint="install that version again; nothing was changed",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return _revision_in(connection)


def _revision_in(connection: Connection) -> str | None:
    there = connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")).first()
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first() if there else None
    return str(row[0]) if row else None


def iso(moment: datetime | None) -> str | None:
    """Write a moment as it is stored."""
    return moment.isoformat() if moment else None


def moment(stored: str | None) -> datetime | None:
    """Read a stored moment."""
    return datetime.fromisoformat(stored) if stored else None


def to_json(value: Any) -> str:
    """Write a column of JSON; keys are sorted so that equal values are equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
