"""Connects to a SQLite file, also on a disk without a free block.

WAL needs a file of shared memory beside the database. SQLite cannot make one where there is no room, and then cannot
even read; what answers has to answer all the same. If the log is empty, the database file is the whole truth and can
be read by itself, as from a medium that nobody writes to. Nothing protects such a reader from one who finds room and
writes, so its connection serves one transaction, and the next one tries the usual way first.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

READ_ONLY = "kbm_read_only"
"""In the ``info`` of a connection to the file alone: that it was used already."""

_NO_ROOM = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN}


def connect_without_room(engine: Engine, path: Path) -> None:
    """Let an engine read its database where there is no room to open it in WAL mode."""

    def connect(dialect: Any, record: Any, arguments: Any, named: Any) -> Any:
        """Give a connection; the driver's objects are untyped."""
        connection = dialect.loaded_dbapi.connect(*arguments, **named)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF not in _NO_ROOM or not _is_whole(path):
                raise
            alone = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
            record.info[READ_ONLY] = False
            return dialect.loaded_dbapi.connect(alone, *arguments[1:], **{**named, "uri": True})
        record.info.pop(READ_ONLY, None)
        return connection

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "checkout", _on_checkout)


def _on_checkout(_connection: Any, record: Any, _: Any) -> None:
    """Use a connection to the file alone once; the pool makes another one then."""
    if record.info.get(READ_ONLY):
        raise DisconnectionError("the usual way is tried again")
    if READ_ONLY in record.info:
        record.info[READ_ONLY] = True


def _is_whole(path: Path) -> bool:
    """Tell whether all of a database is in its file: a log that holds something would be passed over."""
    log = path.with_name(f"{path.name}-wal")
    return path.exists() and path.stat().st_size > 0 and (not log.exists() or log.stat().st_size == 0)
