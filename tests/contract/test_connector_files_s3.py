"""The connector ``files`` over an S3 store keeps the promises of every connector, whatever answers in its place."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kbm_connectors.files_s3_store import original_time

from kbm.domain.sync import Brake, Failed, Mark, Ref, plan_sync
from kbm.errors import ConnectorRefused, ConnectorUnavailable
from kbm.testing.contracts.connector import ConnectorContract
from tests.contract.s3_bucket import EVERYONE, SECRET, Bucket, Front, error, known_of, removed, told
from tests.unit.connectors.core import Core
from tests.unit.connectors.fake_web import FAULTS, Answer

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
