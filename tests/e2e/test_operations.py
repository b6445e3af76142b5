"""What operators see of the service: metrics, one line a request, an id in each, and an orderly end."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from kbm.domain.access import Action, Rights
from kbm.entrypoints.api.app import create_app
from kbm.testing.builders import ONE_FOLDER_TOML, kbm_over
from kbm.testing.fakes import FakeClock, FakeConnector, NoProgress

ASK = "/v1/gpts/helper/ask"
SECRET = "Zacharias"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """Serve a company whose release was published an hour ago."""
    source = FakeConnector(items={"leave.txt": "Employees get 30 days of leave a year."})
    clock = FakeClock()
    with kbm_over(tmp_path, source, clock=clock) as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
        kbm.publish.run("helper", "1.0.0", who="anna", why="test")
        clock.advance(hours=1)
        with TestClient(create_app(kbm), raise_server_exceptions=False) as client:
            yield client


def figures(client: TestClient) -> dict[str, float]:
    """Give the figures of /metrics by name and labels."""
    text = client.get("/metrics").text
    return {
        f"{one.name}{{{','.join(f'{name}={value}' for name, value in sorted(one.labels.items()))}}}": one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_metrics_count_questions_requests_and_the_age_of_what_is_live(client: TestClient) -> None:
    client.post(ASK, json={"question": "How many days of leave do employees get?"})
    client.post(ASK, json={"question": "Which penguin won the eurovision contest?"})
    client.post(f"/v1/gpts/{SECRET}/ask", json={"question": "Anything?"})
    client.post(ASK, content=b"{")
    client.get(f"/{SECRET}?q={SECRET}")
    client.request(SECRET, "/healthz")
    found = figures(client)

    assert found["kbm_questions_total{door=rest,gpt=helper,outcome=unanswered}"] == 1
    assert sum(value for name, value in found.items() if name.startswith("kbm_questions_total")) == 2
    assert found["kbm_answer_seconds_count{gpt=helper}"] == 2
    assert found["kbm_chat_tokens_total{gpt=helper}"] == 0
    assert found["kbm_http_requests_total{method=POST,route=/v1/gpts/{gpt}/ask,status=200}"] == 2
    assert found["kbm_http_requests_total{method=POST,route=/v1/gpts/{gpt}/ask,status=404}"] == 1
    assert found["kbm_http_requests_total{method=POST,route=/v1/gpts/{gpt}/ask,status=422}"] == 1
    assert found["kbm_http_requests_total{method=GET,route=none,status=404}"] == 1
    assert found["kbm_live_release{gpt=helper,release=1.0.0}"] == 1
    assert found["kbm_live_release_age_seconds{gpt=helper}"] == 3600
    assert found["kbm_journal_backlog{}"] == 0
    assert SECRET not in str(found)
    assert "eurovision" not in str(found)


def test_metrics_need_a_key_that_allows_them_once_there_are_keys(client: TestClient) -> None:
    def with_key(*actions: Action) -> int:
        kbm = client.app.state.kbm  # type: ignore[attr-defined]
        made = kbm.keys.create("prometheus", Rights(actions=frozenset(actions)), valid_for=None, who="anna")
        return client.get("/metrics", headers={"Authorization": f"Bearer {made.token}"}).status_code

    assert client.get("/metrics").status_code == 200
    assert with_key(Action.METRICS) == 200
    assert with_key(Action.ASK) == 403
    assert client.get("/metrics").status_code == 401


def test_every_request_is_one_line_without_content(client: TestClient) -> None:
    with capture_logs(processors=[merge_contextvars]) as lines:
        client.post(f"{ASK}?note={SECRET}", json={"question": f"Who is {SECRET}?", "user": SECRET})
        client.get(f"/{SECRET}")
        client.get("/healthz")
    served = [line for line in lines if line["event"] == "request_served"]

    assert [(line["method"], line["route"], line["status"], line["log_level"]) for line in served] == [
        ("POST", "/v1/gpts/{gpt}/ask", 200, "info"),
        ("GET", "none", 404, "info"),
        ("GET", "/healthz", 200, "debug"),
    ]
    assert SECRET not in str(lines)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("job-17.a:3", True),
        (None, False),
        ("", False),
        ("two words", False),
        ("x" * 65, False),
        ("a\tb", False),
    ],
)
def test_a_sane_request_id_is_kept_and_told_everywhere(
    client: TestClient, given: str | None, kept: bool
) -> None:
    with capture_logs(processors=[merge_contextvars]) as lines:
        answered = client.get("/v1/gpts", headers={"X-Request-ID": given} if given is not None else {})
        refused = client.get("/nothing", headers={"X-Request-ID": given} if given is not None else {})
    ids = [answered.headers["X-Request-ID"], refused.headers["X-Request-ID"]]

    assert [line["request_id"] for line in lines if line["event"] == "request_served"] == ids
    assert ids == [given, given] if kept else all(re.fullmatch("[0-9a-f]{16}", id) for id in ids)


def test_a_fault_of_its_own_carries_the_id_of_its_request(client: TestClient) -> None:
    def broken() -> None:
        raise ValueError(SECRET)

    client.app.add_api_route("/broken", broken)  # type: ignore[attr-defined]
    with capture_logs(processors=[merge_contextvars]) as lines:
        failed = client.get("/broken", headers={"X-Request-ID": "job-18"})

    assert (failed.status_code, failed.headers["X-Request-ID"]) == (500, "job-18")
    assert SECRET not in failed.text
    assert [(line["event"], line["request_id"]) for line in lines] == [
        ("request_served", "job-18"),
        ("request_failed", "job-18"),
    ]


# -- the end -----------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_a_service_that_is_told_to_stop_ends_what_it_began_and_writes_it_down(tmp_path: Path) -> None:
    (tmp_path / "kbm.toml").write_text(ONE_FOLDER_TOML)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/leave.txt").write_text("Employees get 30 days of leave a year.")
    command, port = [sys.executable, "-m", "kbm"], free_port()
    environment = {**os.environ, "KBM_LOG_FORMAT": "json"}
    subprocess.run([*command, "nightly"], cwd=tmp_path, check=True, capture_output=True)
    server = subprocess.Popen(
        [*command, "serve", "--port", str(port)],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        connection = _connected(port)
        body = json.dumps({"question": "How many days of leave do employees get?"}).encode()
        connection.putrequest("POST", ASK)
        connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Content-Type", "application/json")
        connection.putheader("X-Request-ID", "slow-one")
        connection.endheaders(body[:10])
        time.sleep(1)  # until the service has begun with it
        server.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert server.poll() is None
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        connection.send(body[10:])
        response = connection.getresponse()
        answer = json.loads(response.read())
        code = server.wait(timeout=20)
    finally:
        server.kill()
        _, told = server.communicate()

    assert (response.status, code) == (200, 0)
    with sqlite3.connect(tmp_path / ".kbm/journal.db") as journal:
        assert journal.execute("SELECT id FROM answer").fetchall() == [(answer["answer_id"],)]
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert [line["request_id"] for line in lines if line["event"] == "request_served"] == ["slow-one"]


def _connected(port: int) -> http.client.HTTPConnection:
    """Connect once the service answers."""
    until = time.monotonic() + 60
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return connection
