"""Reads a view of a database, over a connection that cannot write.

SQLite is opened with ``mode=ro``. PostgreSQL is told three times: the session's default, the transaction and, by the
person who makes it, the account. Rows are streamed by a cursor of the server in one snapshot, and written as text the
way the server spells them: a decimal never passes through a binary fraction.

The texts of drivers are not repeated where they may hold a value; the code of the fault and its kind are told.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable, did_you_mean
from kbm_connectors.reach import address_of
from kbm_connectors.rows_settings import RowsSettings
from kbm_connectors.secret_refs import SecretRef
from kbm_connectors.sql_text import has_order
from kbm_connectors.text_file import Cell, Line, one_line

BATCH_ROWS = 1000
CONNECT_WITHIN_S = 15
GRACE_S = 10.0
"""How much longer than the server's own limit a silent server is waited for."""

READ_ONLY_HINT = "make an account that may only read: GRANT SELECT ON the view TO it, and nothing else"
_VIEWS = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY table_type = 'VIEW' DESC, 1, 2
"""
_MAY_WRITE = """
SELECT count(*) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
"""
_LATER = ("08", "53", "57P", "58", "40")
"""Classes of faults that may be over later: connection, resources, shutdown, system, serialization."""


class Database:
    """A view or query of a database, as a table."""

    def __init__(self, source: str, settings: RowsSettings, root: Path, *, grace_s: float = GRACE_S) -> None:
        self._source, self._settings, self._root, self._grace_s = source, settings, root, grace_s
        self._password = SecretRef(key=f"sources.{source}.password", reference=settings.password, root=root)
        parts = urlsplit(settings.url)
        self._is_sqlite = parts.scheme.lower() == "sqlite"
        self._path = root / unquote(parts.path.removeprefix("/"))
        self._host, self._port, self._user, self._name = "", 0, "", ""
        if self._is_sqlite:
            if parts.netloc or parts.query or not parts.path.strip("/"):
                raise ConfigError(
                    f"{self._key('url')}: write sqlite:///PATH, relative to the folder of kbm.toml"
                )
            place = self._path.name
        else:
            self._host, self._port, self._user, self._name = self._server(settings.url)
            place = f"{self._host}/{self._name}"
        self.place = f"{place}: {settings.view or 'the query'}"
        self.in_order = bool(settings.query) and has_order(settings.query)

    def lines(self) -> Generator[Line]:
        """Yield the names of the columns, then the rows as text; ``None`` is a value that is missing.

        Raises:
            ConnectorRefused: the database refuses, or a value cannot be written as text.
            ConnectorUnavailable: it does not answer.
            ConfigError: its driver is not installed, or the password is not where it should be.
        """
        with self._connected() as connection:
            names, rows = self._answer(connection, self._statement(connection))
            yield 0, list(names)
            for number, row in enumerate(rows, 1):
                yield number, [self._text(value, names[at], number) for at, value in enumerate(row)]

    def views(self) -> list[str]:
        """List the views and tables the account can see, views first."""
        with self._connected() as connection:
            return self._views(connection)

    def remarks(self) -> list[str]:
        """Say what a person should change, though the view can be read."""
        if self._is_sqlite:
            return []
        with self._connected() as connection:
            (n,) = next(self._answer(connection, _MAY_WRITE)[1])
        if not n:
            return []
        return [f"{self.place}: the account may write to {n} tables; kbm never does, but {READ_ONLY_HINT}"]

    # --- connecting

    def _key(self, key: str) -> str:
        return f"sources.{self._source}.{key}"

    def _server(self, url: str) -> tuple[str, int, str, str]:
        parts = urlsplit(url)
        try:
            port = parts.port or 5432
        except ValueError:
            raise ConfigError(f"{self._key('url')}: the port is no number") from None
        name = unquote(parts.path.strip("/"))
        if not parts.hostname or not name or "/" in name or parts.query or parts.fragment:
            raise ConfigError(
                f"{self._key('url')}: write postgresql://HOST/DATABASE", hint="use user and password"
            )
        if self._settings.encryption == "none" and not self._settings.allow_private:
            raise ConfigError(
                f"{self._key('encryption')} = 'none' sends what is read, and the password, for anybody to see",
                hint="allow_private = true for a server inside this network, or leave encryption out",
            )
        return parts.hostname, port, self._settings.user or unquote(parts.username or ""), name

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        connect = self._open_sqlite if self._is_sqlite else self._open_postgresql
        scheme = "sqlite://" if self._is_sqlite else "postgresql+psycopg://"
        try:
            engine = create_engine(scheme, creator=connect, poolclass=NullPool)
        except ModuleNotFoundError as error:
            raise self._no_driver() from error
        # no_parameters: a % in a statement is a %.
        options: dict[str, Any] = {
            "stream_results": True,
            "no_parameters": True,
            "max_row_buffer": BATCH_ROWS,
        }
        if not self._is_sqlite:
            options |= {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
        try:
            with engine.connect() as connection:
                connection.execution_options(**options)
                try:
                    yield connection
                finally:
                    with suppress(
                        SQLAlchemyError
                    ):  # what was read is read; a dead server has nothing to undo
                        connection.rollback()
        except DBAPIError as error:
            raise self._told(error.orig or error) from None
        finally:
            engine.dispose()

    def _open_sqlite(self) -> sqlite3.Connection:
        if not self._path.is_file():
            raise ConnectorUnavailable(
                f"source {self._source}: no file {self._path}",
                hint="url is taken relative to the folder of kbm.toml; sqlite:////srv/kb.sqlite is an absolute one",
            )
        address = f"file:{quote(os.fspath(self._path))}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=self._grace_s)
        ends = time.monotonic() + self._settings.timeout_s
        connection.set_progress_handler(lambda: time.monotonic() > ends, 100_000)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def _open_postgresql(self) -> Any:  # Any: a connection of the driver, which may be missing
        psycopg = self._driver()
        settings = self._settings
        address = address_of(self._source, self._host, self._port, allow_private=settings.allow_private)
        limit_ms = round(settings.timeout_s * 1000)
        ssl = {"verify": "verify-full", "require": "require", "none": "disable"}
        wanted: dict[str, Any] = {
            "host": self._host,
            "hostaddr": address,
            "port": self._port,
            "dbname": self._name,
            "user": self._user or None,
            "password": self._password.read() if settings.password else None,
            "passfile": os.devnull,
            "sslmode": "verify-full" if settings.ca_file else ssl[settings.encryption],
            "sslrootcert": os.fspath(self._root / settings.ca_file) if settings.ca_file else None,
            "connect_timeout": CONNECT_WITHIN_S,
            "tcp_user_timeout": limit_ms,
            "client_encoding": "utf-8",
            "application_name": "kbm",
            "options": "-c default_transaction_read_only=on -c standard_conforming_strings=on "
            f"-c statement_timeout={limit_ms} -c DateStyle=ISO -c IntervalStyle=iso_8601",
        }
        if settings.encryption == "verify" and not settings.ca_file:
            wanted["sslrootcert"] = "system"
        given = {key: value for key, value in wanted.items() if value is not None}
        connection = psycopg.connect(**given)
        for kind in ("numeric", "float4", "float8", "date", "time", "timetz", "timestamp", "timestamptz"):
            connection.adapters.register_loader(kind, psycopg.types.string.TextLoader)
        for kind in ("interval", "json", "jsonb"):
            connection.adapters.register_loader(kind, psycopg.types.string.TextLoader)
        return connection

    def _driver(self) -> Any:  # Any: the driver may be missing
        try:
            import psycopg
            import psycopg.types.string
        except ImportError as error:
            raise self._no_driver() from error
        return psycopg

    def _no_driver(self) -> ConfigError:
        return ConfigError(
            f"{self._key('url')}: the driver for PostgreSQL is not installed",
            hint="pip install 'kbm[postgresql]'",
        )

    # --- reading

    def _statement(self, connection: Connection) -> str:
        if self._settings.query:
            return self._settings.query.strip().rstrip(";")
        quoted = connection.dialect.identifier_preparer.quote_identifier
        # Quoted whatever it is: a name is never read as a piece of a statement.
        return f"SELECT * FROM {'.'.join(quoted(part) for part in self._settings.view.split('.'))}"

    def _answer(self, connection: Connection, statement: str) -> tuple[list[str], Iterator[Any]]:
        with self._watched(connection):
            result = connection.exec_driver_sql(statement)
        return list(result.keys()), self._batches(connection, result)

    def _batches(self, connection: Connection, result: Any) -> Iterator[Any]:  # Any: rows of any types
        try:
            while True:
                with self._watched(connection):
                    batch = result.fetchmany(BATCH_ROWS)
                if not batch:
                    return
                yield from batch
        except UnicodeDecodeError:
            raise self._refused("a value is no text in UTF-8", "see the encoding of the database") from None

    @contextmanager
    def _watched(self, connection: Connection) -> Iterator[None]:
        """Cut the line to a server that stays silent longer than its own limit: a hung one never ends by itself."""
        if self._is_sqlite:
            yield
            return
        driver: Any = connection.connection.driver_connection
        line = socket.socket(fileno=os.dup(driver.fileno()))

        def cut() -> None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self._settings.timeout_s + self._grace_s, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            line.close()

    def _views(self, connection: Connection) -> list[str]:
        if self._is_sqlite:
            statement = (
                "SELECT '', name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' "
                "ORDER BY type DESC, name"
            )
        else:
            statement = _VIEWS
        found = list(self._answer(connection, statement)[1])
        return [name if schema in ("", "public") else f"{schema}.{name}" for schema, name in found]

    def _text(self, value: object, column: str, row: int) -> Cell:
        match value:
            case None:
                return None
            case str():
                return one_line(value)
            case bool():
                return "true" if value else "false"
            case bytes() | bytearray() | memoryview():
                name = "a column" if self._settings.profile.hides else f"column {column!r}"
                why = f"{self.place}, row {row}: {name} holds bytes, no text"
                raise ConnectorRefused(why, hint="leave it out with a query that names the columns")
            case list():
                return ", ".join(self._text(one, column, row) or "" for one in value)
        return str(value)

    # --- faults

    def _refused(self, why: str, hint: str = "") -> ConnectorRefused:
        return ConnectorRefused(f"{self.place}: {why}", hint=hint)

    def _told(self, error: BaseException) -> ConnectorError:
        if self._is_sqlite:
            return self._told_by_sqlite(error)
        return self._told_by_postgresql(error)

    def _told_by_sqlite(self, error: BaseException) -> ConnectorError:
        text, code = str(error), getattr(error, "sqlite_errorname", "")
        if "decode" in text:
            return self._refused("a value is no text in UTF-8", "CAST it in a query, or repair it")
        if code == "SQLITE_INTERRUPT":
            return ConnectorUnavailable(f"{self.place}: not finished within {self._settings.timeout_s:g} s")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR")):
            return ConnectorUnavailable(f"{self.place}: busy or not readable at present ({code})")
        if code in ("SQLITE_READONLY", "SQLITE_AUTH"):
            return self._refused(f"a write was refused ({code})", "only a query is taken")
        if code == "SQLITE_ERROR" and text.startswith(("no such ", "near ", "incomplete ", "ambiguous ")):
            return self._refused(text, self._nearest())
        return self._refused(
            f"cannot be read ({code or type(error).__name__})", "is it a database of SQLite?"
        )

    def _told_by_postgresql(self, error: BaseException) -> ConnectorError:
        code = getattr(error, "sqlstate", None) or ""
        if not code:
            return self._told_by_connecting(error)
        if code == "57014":
            why = f"not finished within {self._settings.timeout_s:g} s"
            return ConnectorUnavailable(f"{self.place}: {why}", hint="timeout_s is the longest wait")
        if code.startswith(_LATER):
            return ConnectorUnavailable(f"{self.place}: the server ended the connection or is busy ({code})")
        if code == "25006":
            return self._refused("a write was refused: the connection is read-only", "only a query is taken")
        if code == "42501":
            return self._refused(
                f"the account may not read it ({code})", "GRANT SELECT ON the view TO the account"
            )
        # Faults of class 42 are about names and grammar; the text of others may hold a value.
        said = f": {getattr(error.diag, 'message_primary', '')}" if code[:2] in ("42", "3D", "28") else ""  # type: ignore[attr-defined]
        hint = self._nearest() if code == "42P01" else ""
        return self._refused(f"{type(error).__name__} ({code}){self._password.hide_in(said)}", hint)

    def _told_by_connecting(self, error: BaseException) -> ConnectorError:
        said = self._password.hide_in(" ".join(str(error).split()))
        if "SSL" in said and ("not support" in said or "required" in said):
            hint = "switch ssl on in the server, or encryption = 'none' with allow_private = true"
            return self._refused("the server does not encrypt", hint)
        if "certificate" in said:
            return self._refused(
                "its certificate is not trusted", "name the company's authority with ca_file"
            )
        person = ("authentication", "no password", "pg_hba.conf", "does not exist", "not permitted to log in")
        if any(words in said for words in person):
            return self._refused(said.rpartition("FATAL: ")[2].strip(), "check user, password and url")
        return ConnectorUnavailable(f"{self.place}: the server does not answer or broke off")

    def _nearest(self) -> str:
        """Name the view that was probably meant, or those there are."""
        with suppress(ConnectorError):
            there = self.views()
            near = did_you_mean(self._settings.view, there) if self._settings.view else ""
            return near or f"there is: {', '.join(there[:12]) or 'none'}"
        return ""
