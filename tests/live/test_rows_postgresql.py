"""The connector ``rows`` against a view of PostgreSQL, as Debian ships it."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # settings and cells under test; rows of the driver

import pytest
from kbm_connectors.rows import RowsConnector
from kbm_connectors.rows_database import Database
from kbm_connectors.rows_settings import RowsSettings

from kbm.domain.sync import Ref
from kbm.errors import ConfigError, ConnectorRefused, ConnectorUnavailable
from tests.live.servers import free_port, needs, start, stop
from tests.unit.connectors.core import Core

pytestmark = pytest.mark.live
psycopg = pytest.importorskip("psycopg", reason="the driver is not installed: pip install 'kbm[postgresql]'")
PASSWORD = "kbm-Pass-789"
SCHEMA = f"""
CREATE SCHEMA erp;
CREATE TABLE erp.article (
  list text, nr text, name text, price numeric(12,2), valid date, changed timestamptz, active boolean,
  iban text, weight float8, tags text[], note text);
INSERT INTO erp.article VALUES
  ('Händler', '000123', 'Rohr, gebogen', 1234.50, '2026-01-01', '2026-01-01 10:00:00+00', true, 'DE89', 0.1,
   '{{a,b}}', NULL),
  ('Händler', '000124', 'Schraube 100%', 0.05, '2026-01-01', '2026-01-01 10:00:00+00', false, 'DE89', 1e21,
   '{{}}', ''),
  ('Endkunde', '000123', 'Rohr', 1499.00, 'infinity', NULL, true, 'DE89', 'NaN', NULL, E'zwei\\nZeilen');
CREATE VIEW erp.prices AS SELECT * FROM erp.article;
CREATE TABLE erp.big AS SELECT n AS nr, repeat('x', 500) AS text FROM generate_series(1, 60000) AS n;
CREATE VIEW erp.slow AS SELECT nr, text, pg_sleep(0.01) IS NULL AS slow FROM erp.big;
CREATE VIEW erp.broken AS SELECT nr, iban::int AS number FROM erp.article;
CREATE ROLE kbm LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}';
GRANT USAGE ON SCHEMA erp TO kbm, clerk;
GRANT SELECT ON erp.prices, erp.big, erp.slow, erp.broken TO kbm;
GRANT ALL ON ALL TABLES IN SCHEMA erp TO clerk;
"""


@dataclass
class Cluster:
    """A server of its own in a folder, with an owner who changes what kbm reads."""

    root: Path
    port: int
    command: list[str]
    process: subprocess.Popen[bytes]

    def run(self, statement: str, database: str = "erp") -> list[tuple[Any, ...]]:
        address = f"host=127.0.0.1 port={self.port} dbname={database} user=owner password={PASSWORD}"
        with closing(psycopg.connect(address, autocommit=True)) as connection:
            result = connection.execute(statement)
            return list(result) if result.description else []

    def settings(self, **more: Any) -> dict[str, Any]:
        return {
            "url": f"postgresql://127.0.0.1:{self.port}/erp",
            "view": "erp.prices",
            "user": "kbm",
            "password": "env:KBM_TEST_PG",
            "encryption": "none",
            "allow_private": True,
            "timeout_s": 20,
            "profile": {"key": ["list"], "title": "Preisliste {list}", "mask": ["iban"]},
            **more,
        }

    def connector(self, **more: Any) -> RowsConnector:
        return RowsConnector("erp", self.settings(**more), self.root)

    def stop(self, how: int = signal.SIGINT) -> None:
        self.process.send_signal(how)
        self.process.wait(20)

    def start(self) -> None:
        self.process = start(self.command, self.port, self.root)
        self.wait()

    def wait(self) -> None:
        """Wait until it lets in: it listens before it does."""
        end = time.monotonic() + 20
        while True:
            try:
                self.run("SELECT 1", "postgres")
                return
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)


def _programs() -> Path:
    needs("postgresql")
    return sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))[-1].parent


def _as_other(root: Path, command: list[str]) -> list[str]:
    """Run as an account without rights where the tests have all: the server refuses to run as root."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed, and the server does not run as root")
    try:
        other = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("there is no account postgres to run the server as")
    os.chown(root, other.pw_uid, other.pw_gid)
    ids = [f"--reuid={other.pw_uid}", f"--regid={other.pw_gid}", "--clear-groups"]
    return ["setpriv", *ids, "--", *command]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # Not below pytest's own folders: nobody else may enter them, and the server is somebody else.
    programs, root, port = _programs(), Path(tempfile.mkdtemp(prefix="kbm-pg-")), free_port()
    root.chmod(0o755)
    (root / "pass").write_text(PASSWORD)
    (root / "pass").chmod(0o644)
    init = [
        *(
            str(programs / "initdb"),
            "-D",
            str(root / "data"),
            "-U",
            "owner",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ),
        *("--auth=scram-sha-256", f"--pwfile={root / 'pass'}", "--no-sync"),
    ]
    made = subprocess.run(_as_other(root, init), capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"initdb did not work: {made.stderr.decode(errors='replace')[-300:]}")
    command = [
        *(str(programs / "postgres"), "-D", str(root / "data"), "-p", str(port), "-h", "127.0.0.1"),
        *("-k", str(root), "-c", "fsync=off"),
    ]
    (root / "log").touch()
    process = start(_as_other(root, command), port, root)
    one = Cluster(root, port, _as_other(root, command), process)
    os.environ["KBM_TEST_PG"] = PASSWORD
    try:
        one.wait()
        one.run("CREATE DATABASE erp", "postgres")
        one.run(SCHEMA)
        yield one
    finally:
        os.environ.pop("KBM_TEST_PG", None)
        stop(one.process)
        shutil.rmtree(root, ignore_errors=True)


def rows(one: RowsConnector) -> dict[str, list[list[str | None]]]:
    refs = [event for event in one.scan(None) if isinstance(event, Ref)]
    return {ref.id: json.loads(one.fetch(ref).data)["rows"] for ref in refs}


def test_values_are_spelled_as_the_server_spells_them(cluster: Cluster) -> None:
    read = rows(cluster.connector())

    assert sorted(read["Händler"]) == [
        [
            *("Händler", "000123", "Rohr, gebogen", "1234.50", "2026-01-01", "2026-01-01 10:00:00+00"),
            *("true", "•••", "0.1", "a, b", None),
        ],
        [
            *("Händler", "000124", "Schraube 100%", "0.05", "2026-01-01", "2026-01-01 10:00:00+00"),
            *("false", "•••", "1e+21", "", ""),
        ],
    ]
    assert read["Endkunde"][0][4:] == ["infinity", None, "true", "•••", "NaN", None, "zwei Zeilen"]


def test_edits_and_deletions_arrive_and_nothing_else_is_read(cluster: Cluster) -> None:
    core = Core()
    core.sync(cluster.connector())
    cluster.run("INSERT INTO erp.article (list, nr, price) VALUES ('Neu', '1', 1), ('Alt', '2', 2)")
    first = core.sync(cluster.connector())
    cluster.run("UPDATE erp.article SET price = 1.10 WHERE list = 'Neu'")
    cluster.run("DELETE FROM erp.article WHERE list = 'Alt'")

    second = core.sync(cluster.connector())

    assert (first.added, second.changed, second.removed) == (("Alt", "Neu"), ("Neu",), ("Alt",))
    assert core.fetched == ["Neu"]
    cluster.run("DELETE FROM erp.article WHERE list = 'Neu'")


def test_rows_that_the_server_moved_change_nothing(cluster: Cluster) -> None:
    core = Core()
    core.sync(cluster.connector())
    cluster.run("UPDATE erp.article SET nr = nr WHERE nr = '000123' AND list = 'Händler'")

    plan = core.sync(cluster.connector())

    assert plan.does_nothing


def test_a_query_with_an_order_keeps_it_and_may_hold_percent_and_colon(cluster: Cluster) -> None:
    query = "SELECT list, name, '12:30 %s :x' AS t FROM erp.prices WHERE name LIKE '%r%' ORDER BY price DESC;"
    read = rows(cluster.connector(view="", query=query, profile={"key": "list"}))["Händler"]

    assert [row[1:] for row in read] == [
        ["Rohr, gebogen", "12:30 %s :x"],
        ["Schraube 100%", "12:30 %s :x"],
    ]


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (DELETE FROM erp.article RETURNING list) SELECT list FROM gone",
        "SELECT list INTO erp.copy FROM erp.article",
        "SELECT 1 AS list; DELETE FROM erp.article",
        "DELETE FROM erp.article",
    ],
)
def test_a_statement_that_writes_is_refused_before_it_is_sent(cluster: Cluster, query: str) -> None:
    with pytest.raises(ConfigError, match="query"):
        cluster.connector(view="", query=query, user="clerk")


@pytest.mark.parametrize("hidden", ["nextval('erp.counter')::text", "erp.wipe()"])
def test_a_function_that_writes_is_refused_by_the_connection(cluster: Cluster, hidden: str) -> None:
    cluster.run(
        "CREATE SEQUENCE IF NOT EXISTS erp.counter; GRANT ALL ON erp.counter TO clerk;"
        "CREATE OR REPLACE FUNCTION erp.wipe() RETURNS text LANGUAGE sql AS 'DELETE FROM erp.article RETURNING list'"
    )
    before = cluster.run("SELECT count(*) FROM erp.article")
    one = cluster.connector(view="", query=f"SELECT {hidden} AS list", user="clerk", profile={"key": "list"})

    with pytest.raises(ConnectorRefused, match="read-only"):
        list(one.scan(None))
    assert cluster.run("SELECT count(*) FROM erp.article") == before


def test_the_session_itself_cannot_write(cluster: Cluster) -> None:
    query = "SELECT set_config('transaction_read_only', 'off', true) AS list, erp.wipe() AS t"
    cluster.run("GRANT EXECUTE ON FUNCTION erp.wipe() TO clerk")
    before = cluster.run("SELECT count(*) FROM erp.article")

    with pytest.raises(ConnectorRefused):
        list(cluster.connector(view="", query=query, user="clerk", profile={"key": "list"}).scan(None))
    assert cluster.run("SELECT count(*) FROM erp.article") == before


def test_an_account_that_may_write_is_told(cluster: Cluster) -> None:
    [remark] = cluster.connector(user="clerk").check()

    assert "may write to" in remark
    assert "GRANT SELECT" in remark
    assert cluster.connector().check() == []


@pytest.mark.parametrize(
    ("more", "told", "hint"),
    [
        ({"password": "env:KBM_TEST_PG_WRONG"}, "password authentication failed", "user, password"),
        ({"url": "{url}x"}, 'database "erpx" does not exist', "url"),
        ({"view": "erp.price"}, "42P01", "did you mean 'erp.prices'?"),
        ({"view": "erp.article"}, "may not read it", "GRANT SELECT"),
        ({"view": "", "query": "SELECT nosuch FROM erp.prices"}, 'column "nosuch" does not exist', ""),
        ({"view": "erp.broken", "profile": {"key": "nr"}}, "22P02", ""),
        ({"encryption": "require"}, "does not encrypt", "encryption = 'none'"),
        ({"profile": {"key": "liste"}}, "no column 'liste'", "did you mean 'list'?"),
        ({"profile": {"key": "nr", "columns": ["nr", "name"]}}, "not the confirmed one", "may be shown"),
    ],
)
def test_what_is_wrong_is_told_without_a_secret_or_a_value(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], told: str, hint: str
) -> None:
    monkeypatch.setenv("KBM_TEST_PG_WRONG", "another-Pass")
    if "url" in more:
        more = {**more, "url": more["url"].format(url=cluster.settings()["url"])}
    with pytest.raises(ConnectorRefused) as refused:
        list(cluster.connector(**more).scan(None))

    error: BaseException | None = refused.value
    assert told in str(error)
    assert hint in refused.value.hint
    while error is not None:
        assert not [text for text in (PASSWORD, "another-Pass", "DE89") if text in repr(error)]
        error = error.__cause__


def test_a_private_address_needs_consent(cluster: Cluster) -> None:
    with pytest.raises(ConnectorRefused, match="inside this network"):
        list(cluster.connector(allow_private=False, encryption="require").scan(None))


def test_a_slow_view_ends_by_the_limit(cluster: Cluster) -> None:
    one = cluster.connector(view="erp.slow", timeout_s=1, profile={"key": "nr"})
    started = time.monotonic()

    with pytest.raises(ConnectorUnavailable, match="not finished within 1 s"):
        list(one.scan(None))
    assert time.monotonic() - started < 5


def test_sixty_thousand_rows_pass_as_a_stream(cluster: Cluster) -> None:
    settings = RowsSettings.model_validate(cluster.settings(view="erp.big", profile={"key": "nr"}))
    seen_while_reading = []
    with closing(Database("erp", settings, cluster.root).lines()) as lines:
        for number, _ in lines:
            if number == 1:
                seen_while_reading = cluster.run(
                    "SELECT query FROM pg_stat_activity WHERE application_name = 'kbm' AND state LIKE 'idle in%'"
                )

    assert "FETCH" in str(seen_while_reading)
    assert number == 60_000


def test_an_outage_while_rows_come_keeps_everything(cluster: Cluster) -> None:
    core = Core()
    core.sync(cluster.connector())
    known = dict(core.known)
    settings = RowsSettings.model_validate(cluster.settings(view="erp.big", profile={"key": "nr"}))
    with closing(Database("erp", settings, cluster.root).lines()) as lines:
        for _ in range(10):
            next(lines)
        cluster.stop(signal.SIGQUIT)

        with pytest.raises(ConnectorUnavailable):
            list(lines)
    try:
        with pytest.raises(ConnectorUnavailable, match="does not answer"):
            core.sync(cluster.connector())
        assert core.known == known
    finally:
        cluster.start()

    assert core.sync(cluster.connector()).does_nothing


def test_a_server_that_hangs_is_left(cluster: Cluster) -> None:
    settings = RowsSettings.model_validate(
        cluster.settings(view="erp.big", timeout_s=1, profile={"key": "nr"})
    )
    with closing(Database("erp", settings, cluster.root, grace_s=1.0).lines()) as lines:
        next(lines)
        [(backend,)] = cluster.run("SELECT pid FROM pg_stat_activity WHERE application_name = 'kbm'")
        os.kill(backend, signal.SIGSTOP)
        try:
            started = time.monotonic()
            with pytest.raises(ConnectorUnavailable):
                list(lines)
            assert time.monotonic() - started < 10
        finally:
            os.kill(backend, signal.SIGCONT)


def test_connect_names_the_views_and_proposes_a_profile(cluster: Cluster) -> None:
    url = f"postgresql://kbm:typed@127.0.0.1:{cluster.port}/erp"
    found = RowsConnector.recognises(url, cluster.root)
    given = {**(found or {}), "password": "env:KBM_TEST_PG", "encryption": "none", "allow_private": True}
    with pytest.raises(ConfigError, match=r"There is: erp\.broken, erp\.prices, erp\.slow, erp\.big"):
        RowsConnector.completes("erp", given, cluster.root)

    made = RowsConnector.completes("erp", {**given, "view": "erp.prices"}, cluster.root)

    assert found == {"url": url.replace("kbm:typed@", ""), "user": "kbm"}
    assert made["profile"]["key"] == ["list"]
    assert made["profile"]["numbers"] == ["price"]
    assert made["profile"]["columns"][:4] == ["list", "nr", "name", "price"]
    assert sorted(rows(RowsConnector("erp", made, cluster.root))) == ["Endkunde", "Händler"]
