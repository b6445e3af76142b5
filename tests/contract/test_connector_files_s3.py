"""The connector ``files`` over an S3 store keeps the promises of every connector, whatever answers in its place."""

from __future__ import annotations

import http.client
import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from kbm_connectors.files import FilesConnector
from kbm_connectors.files_s3_store import original_time

from kbm.bootstrap import Kbm
from kbm.config import settings_from
from kbm.domain.sync import Brake, Event, Failed, Known, Mark, Ref, plan_sync
from kbm.errors import ConfigError, ConnectorRefused, ConnectorUnavailable
from kbm.testing.contracts.connector import ConnectorContract
from tests.unit.connectors.core import Core
from tests.unit.connectors.fake_web import FAULTS, Answer, Asked, FakeWeb

SECRET = "wJalrXUtnFEMI/K7MDENG"
EVERYONE = frozenset({"everyone"})
_SKIPPED = frozenset({"content-length", "content-type", "transfer-encoding", "connection", "date", "server"})


def error(status: int, code: str) -> Answer:
    said = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>"
    return Answer(said.encode(), "application/xml", status)


IN_PLACE_OF_THE_LISTING = {
    **{name: FAULTS[name] for name in ("403", "500", "empty 200", "half a body", "broken off")},
    **{name: FAULTS[name] for name in ("login page", "redirect to sign-on")},
    "denied": lambda _: error(403, "AccessDenied"),
    "wrong secret": lambda _: error(403, "SignatureDoesNotMatch"),
    "no bucket": lambda _: error(404, "NoSuchBucket"),
    "other region": lambda _: error(301, "PermanentRedirect"),
    "slow down": lambda _: error(503, "SlowDown"),
    "an error called 200": lambda _: Answer(error(403, "AccessDenied").body, "application/xml"),
    "other XML": lambda _: Answer(b"<maintenance/>", "application/xml"),
    "fewer than counted": lambda answer: Answer(
        answer.body.replace(b"<KeyCount>", b"<KeyCount>1"), answer.media_type
    ),
    "no way on": lambda answer: Answer(
        answer.body.replace(b"<IsTruncated>false", b"<IsTruncated>true"), answer.media_type
    ),
    "another folder": lambda answer: Answer(
        answer.body.replace(b"<Key>dms/", b"<Key>hr/"), answer.media_type
    ),
}


class Front(FakeWeb):
    """Stands before the store, as a proxy does."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def answer(self, asked: Asked) -> Answer:
        raise AssertionError("it is asked with its query")

    def reply(self, asked: Asked) -> Answer:
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in asked.params.items())
        store = http.client.HTTPConnection("127.0.0.1", self._port)
        store.request(asked.method, f"{asked.path}?{query}" if query else asked.path, headers=asked.headers)
        said = store.getresponse()
        headers = {name: value for name, value in said.getheaders() if name.lower() not in _SKIPPED}
        answer = Answer(said.read(), said.getheader("Content-Type") or "", said.status, headers)
        store.close()
        n = len(self.asked)
        self.asked.append(asked)
        return self.fault(answer) if self.fault is not None and n >= self.fault_from else answer


@dataclass
class Bucket:
    """A folder in a bucket of its own."""

    s3: Any  # boto3's client
    front: Front
    root: Path
    folder: str = "dms/"
    name: str = field(default_factory=lambda: f"b{uuid4().hex}")

    def __post_init__(self) -> None:
        self.s3.create_bucket(Bucket=self.name)
        (self.root / "key").write_text("AKIAIOSFODNN7EXAMPLE")
        (self.root / "secret").write_text(SECRET)

    def settings(self, **more: object) -> dict[str, object]:
        return {
            "url": f"s3://{self.name}/{self.folder}".rstrip("/"),
            "endpoint_url": self.front.url,
            "key_id": "file:key",
            "secret_key": "file:secret",
            "allow_private": True,
            "max_requests_per_second": 10_000,
            **more,
        }

    def connect(self, **more: object) -> FilesConnector:
        return FilesConnector("bucket", self.settings(**more), self.root, pause=lambda _: None)

    def make(self, id: str, text: str, **more: object) -> None:
        self.s3.put_object(Bucket=self.name, Key=f"{self.folder}{id}", Body=text.encode(), **more)

    edit = make

    def remove(self, id: str) -> None:
        self.s3.delete_object(Bucket=self.name, Key=f"{self.folder}{id}")

    def break_root(self) -> None:
        self.front.close()


@pytest.fixture(scope="module")
def store() -> Iterator[int]:
    """The port of a store that keeps its objects in memory."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture(scope="module")
def s3(store: int) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{store}",
        region_name="us-east-1",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="other",
    )


@pytest.fixture
def source(store: int, s3: Any, tmp_path: Path) -> Iterator[Bucket]:
    front = Front(store)
    yield Bucket(s3, front, tmp_path)
    front.close()


class TestS3(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü & c+d 100%.txt")
    secrets = (SECRET, "AKIAIOSFODNN7EXAMPLE")

    @pytest.fixture
    def source(self, source: Bucket) -> Bucket:
        return source


def known_of(source: Bucket) -> dict[str, Known]:
    for id in ("a.txt", "hr/b.txt", "hr/secret/c.txt"):
        source.make(id, f"text of {id}")
    return {
        event.id: Known(version=event.version, readers=EVERYONE, scope=event.scope)
        for event in source.connect().scan(None)
        if isinstance(event, Ref)
    }


def removed(events: list[Event], known: Mapping[str, Known]) -> tuple[str, ...]:
    return plan_sync("bucket", events, known, default_readers=EVERYONE, brake=Brake()).removed


def told(source: Bucket, known: Mapping[str, Known]) -> str:
    """Scan, see that everything is kept, and give what was told of the root."""
    connector = source.connect()
    events = list(connector.scan(None))
    failed = [event for event in events if isinstance(event, Failed)]
    assert [(event.scope, event.id) for event in failed] == [("", None)]
    assert not any(isinstance(event, Mark) for event in events)
    assert removed(events, known) == ()
    assert SECRET not in repr(events)
    problems = connector.check()
    assert problems
    assert SECRET not in str(problems)
    return failed[0].why


@pytest.mark.parametrize("fault", IN_PLACE_OF_THE_LISTING)
def test_whatever_answers_in_place_of_the_listing_deletes_nothing(source: Bucket, fault: str) -> None:
    known = known_of(source)
    source.front.fault = IN_PLACE_OF_THE_LISTING[fault]

    assert told(source, known)


def test_a_store_that_goes_down_between_two_pages_keeps_what_it_had_not_told(
    source: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "1")
    known = known_of(source)
    n_asked = len(source.front.asked)
    source.front.fault, source.front.fault_from = FAULTS["500"], n_asked + 1
    events = list(source.connect().scan(None))

    assert n_asked == len(known) == 3
    assert [event.id for event in events if isinstance(event, Ref)] == ["a.txt"]
    assert [event.scope for event in events if isinstance(event, Failed)] == [""]
    assert removed(events, known) == ()


def test_a_folder_without_anything_is_told_like_a_missing_one(source: Bucket) -> None:
    known = known_of(source)
    for id in known:
        source.remove(id)

    assert "there is nothing at s3://" in told(source, known)


def test_a_folder_that_somebody_made_is_there_although_it_is_empty(source: Bucket) -> None:
    source.make("", "")
    events = list(source.connect().scan(None))

    assert [event for event in events if not isinstance(event, Mark)] == []


def test_a_bucket_without_anything_waits_for_a_person(source: Bucket) -> None:
    source.folder = ""
    known = known_of(source)
    for id in known:
        source.remove(id)
    events = list(source.connect().scan(None))
    plan = plan_sync("bucket", events, known, default_readers=EVERYONE, brake=Brake())

    assert plan.held_removals == known.keys()


def test_a_folder_is_not_another_one_whose_name_goes_on(source: Bucket) -> None:
    source.make("a.txt", "text")
    source.s3.put_object(Bucket=source.name, Key="dms-old/b.txt", Body=b"text")
    found = [event.id for event in source.connect().scan(None) if isinstance(event, Ref)]

    assert found == ["a.txt"]


def test_a_second_sync_fetches_nothing_although_everything_was_uploaded_again(source: Bucket) -> None:
    core = Core()
    known_of(source)
    core.sync(source.connect())
    first = list(core.fetched)
    known_of(source)
    core.sync(source.connect())

    assert first == ["a.txt", "hr/b.txt", "hr/secret/c.txt"]
    assert core.fetched == []


def test_keys_that_are_no_paths_are_told_or_read(source: Bucket) -> None:
    source.make("a//b.txt", "two slashes")
    source.make("../hr/c.txt", "out")
    connector = source.connect()
    events = list(connector.scan(None))
    refs = [event for event in events if isinstance(event, Ref)]

    assert [connector.fetch(ref).data for ref in refs] == [b"two slashes"]
    assert [(event.id, event.retry) for event in events if isinstance(event, Failed)] == [
        ("../hr/c.txt", False)
    ]
    with pytest.raises(ConnectorRefused):
        connector.fetch(Ref(id="../hr/c.txt", version="1"))


def test_the_time_of_the_file_is_taken_where_the_copying_tool_wrote_it(source: Bucket) -> None:
    source.make("a.txt", "text", Metadata={"mtime": "1600000000.25"})
    source.make("b.txt", "text")
    connector = source.connect()
    blobs = [connector.fetch(event) for event in connector.scan(None) if isinstance(event, Ref)]

    assert [blob.modified for blob in blobs] == [datetime(2020, 9, 13, 12, 26, 40, 250_000, tzinfo=UTC), None]


@pytest.mark.parametrize(
    ("metadata", "year"),
    [
        ({"MTime": "1600000000"}, 2020),
        ({"file-mtime": "1600000000000000000ns"}, 2020),
        ({"s3cmd-attrs": "atime:1700000000/mode:33188/mtime:1600000000/uid:0"}, 2020),
        ({"mtime": "yesterday"}, None),
        ({"mtime": "99999999999999999999"}, None),
        ({}, None),
    ],
)
def test_times_are_read_as_the_tools_write_them(metadata: dict[str, str], year: int | None) -> None:
    moment = original_time(metadata)

    assert (moment.year if moment else None) == year


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (error(403, "AccessDenied"), ConnectorRefused, "a.txt may not be read"),
        (error(403, "InvalidObjectState"), ConnectorRefused, "archive"),
        (error(404, "NoSuchKey"), ConnectorUnavailable, "not there any more"),
        (Answer(b"<html><body>Login", "text/html"), ConnectorUnavailable, "something else answered"),
        (Answer(b"x" * 1_100_000, "text/plain", headers={"ETag": '"1"'}), ConnectorRefused, "max_answer_mb"),
        (Answer(b"text", "text/plain", headers={"ETag": '"1"'}, cut=2), ConnectorUnavailable, "broke off"),
    ],
)
def test_what_comes_in_place_of_a_document_is_not_its_content(
    source: Bucket, fault: Answer, kind: type[Exception], says: str
) -> None:
    source.make("a.txt", "text")
    connector = source.connect(max_answer_mb=1)
    ref = next(event for event in connector.scan(None) if isinstance(event, Ref))
    source.front.fault = lambda _: fault

    with pytest.raises(kind) as raised:
        connector.fetch(ref)
    assert says in f"{raised.value} {getattr(raised.value, 'hint', '')}"
    assert SECRET not in str(raised.value)


def test_a_key_that_was_changed_is_read_anew(source: Bucket) -> None:
    source.make("a.txt", "text")
    connector = source.connect()
    source.front.fault = lambda _: error(403, "InvalidAccessKeyId")
    list(connector.scan(None))
    source.front.fault = None
    (source.root / "key").write_text("AKIANEW")
    list(connector.scan(None))

    assert "AKIANEW" in source.front.asked[-1].headers["authorization"]


def test_the_secret_is_in_no_line_of_the_log(source: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        known = known_of(source)
        source.front.fault = lambda _: error(403, "SignatureDoesNotMatch")
        told(source, known)

    assert caplog.records
    assert SECRET not in caplog.text.replace(f"<Message>{SECRET}</Message>", "")


def test_private_addresses_need_a_word_from_a_person(source: Bucket) -> None:
    [problem] = source.connect(allow_private=False).check()

    assert "allow_private" in problem
    assert not source.front.asked


def test_without_credentials_it_says_what_is_missing(source: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(source.root / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(source.root / "none"))
    [problem] = source.connect(key_id="", secret_key="").check()
    source.make("a.txt", "text")

    assert "anonymous = true" in problem
    assert source.connect(key_id="", secret_key="", anonymous=True).check() == []
    assert "authorization" not in source.front.asked[-1].headers


def test_without_the_library_it_says_what_to_install(source: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)

    assert source.connect().check() == [
        "reading s3:// needs a library that is not installed (pip install 'kbm[s3]')"
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"secret_key": ""}, "given together"),
        ({"secret_key": SECRET}, "a secret is named"),
        ({"anonymous": True}, "leave key_id out"),
        ({"endpoint_url": "minio.example.com"}, "write the full address"),
        ({"endpoint_url": f"https://kbm:{SECRET}@minio.example.com"}, "holds no account"),
        ({"url": "s3:///dms"}, "name the bucket"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    source: Bucket, wrong: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        source.connect(**wrong)

    assert SECRET not in f"{raised.value} {raised.value.hint}"


@pytest.mark.parametrize(
    ("url", "proposed"),
    [
        ("s3://dms/quality", {"url": "s3://dms/quality"}),
        (
            "https://dms.s3.eu-central-1.amazonaws.com/quality/",
            {"url": "s3://dms/quality", "region": "eu-central-1"},
        ),
        ("https://s3.eu-west-3.amazonaws.com/dms", {"url": "s3://dms", "region": "eu-west-3"}),
        ("https://example.com/dms", None),
    ],
)
def test_an_address_of_a_bucket_is_recognised(
    url: str, proposed: dict[str, str] | None, tmp_path: Path
) -> None:
    assert FilesConnector.recognises(url, tmp_path) == proposed


def test_a_bucket_of_another_store_is_another_place(source: Bucket) -> None:
    text = '[kbm]\nname = "Firma"\nembedder = "none"\n\n[sources.dms]\nkind = "files"\nurl = "s3://dms/a"\n{}'
    roots = []
    for store in ("", "https://a.example", "https://b.example"):
        key = f'endpoint_url = "{store}"\n' if store else ""
        with Kbm(settings_from(text.format(key), source.root / "kbm.toml")) as kbm:
            roots.append(kbm.source_to_sync("dms").root)

    assert roots == ["s3://dms/a", "s3://dms/a at https://a.example", "s3://dms/a at https://b.example"]
