"""The connector ``files`` against S3 servers: moto with its rights switched on, which checks what was signed, and
s3rver where npm is there to install it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kbm_connectors.files import FilesConnector

from kbm.domain.sync import Event, Failed, Mark, Ref
from kbm.errors import ConnectorRefused
from kbm.testing.contracts.connector import ConnectorContract
from tests.live.packages import S3RVER
from tests.live.servers import free_port, needs, start, stop

pytestmark = pytest.mark.live
SECRET = "kbm-secret-of-the-reader"


@dataclass
class Served:
    """A bucket behind a server."""

    s3: Any  # boto3's client
    url: str
    root: Path
    bucket: str
    key: str
    secret: str

    def connect(self, **more: object) -> FilesConnector:
        (self.root / "key").write_text(self.key)
        (self.root / "secret").write_text(self.secret)
        settings = {
            "url": f"s3://{self.bucket}/dms",
            "endpoint_url": self.url,
            "key_id": "file:key",
            "secret_key": "file:secret",
            "allow_private": True,
            **more,
        }
        return FilesConnector(
            "bucket", settings, self.root, pause=lambda seconds: time.sleep(min(seconds, 0.02))
        )

    def make(self, id: str, text: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=f"dms/{id}", Body=text.encode())

    edit = make

    def remove(self, id: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=f"dms/{id}")

    def break_root(self) -> None:
        for one in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", []):
            self.s3.delete_object(Bucket=self.bucket, Key=one["Key"])
        self.s3.delete_bucket(Bucket=self.bucket)


def client(service: str, url: str, key: str, secret: str) -> Any:
    import boto3

    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that checks signatures and rights once an administrator was made."""
    folder, port = tmp_path_factory.mktemp("moto"), free_port()
    env = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "3"}
    process = start(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port, folder, env
    )
    yield f"http://127.0.0.1:{port}"
    stop(process)


@pytest.fixture(scope="module")
def admin(moto: str) -> tuple[str, str]:
    iam = client("iam", moto, "any", "any")
    return made_key(iam, "admin", {"Effect": "Allow", "Action": "*", "Resource": "*"})


def made_key(iam: Any, name: str, *statements: dict[str, str]) -> tuple[str, str]:
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


@pytest.fixture(scope="module")
def s3rver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    needs("s3rver")
    folder, port = tmp_path_factory.mktemp("s3rver"), free_port()
    process = start(
        ["node", str(S3RVER), "-d", str(folder), "-a", "127.0.0.1", "-p", str(port), "--silent"], port, folder
    )
    yield f"http://127.0.0.1:{port}"
    stop(process)


@pytest.fixture(params=["moto", "s3rver"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Served:
    url = request.getfixturevalue(request.param)
    key, secret = request.getfixturevalue("admin") if request.param == "moto" else ("S3RVER", "S3RVER")
    s3, bucket = client("s3", url, key, secret), f"b{uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    return Served(s3, url, tmp_path, bucket, key, secret)


class TestS3Live(ConnectorContract):
    ids = ("a.txt", "policies/b.txt", "policies/2026/ü & c+d 100%.txt")

    @pytest.fixture
    def source(self, source: Served) -> Served:
        return source


def failures(connector: FilesConnector) -> list[str]:
    events: list[Event] = list(connector.scan(None))
    assert not any(isinstance(event, Mark) for event in events)
    return [event.why for event in events if isinstance(event, Failed) and event.scope == ""]


def test_a_wrong_secret_is_told_and_not_shown(source: Served) -> None:
    if source.key == "S3RVER":
        pytest.skip("it does not look at what was signed")
    source.make("a.txt", "text")
    source.secret = SECRET
    [why] = failures(source.connect())

    assert "SignatureDoesNotMatch" in why
    assert SECRET not in why


def test_a_key_that_may_not_list_or_read_is_told(moto: str, admin: tuple[str, str], tmp_path: Path) -> None:
    s3, bucket = client("s3", moto, *admin), f"b{uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    iam = client("iam", moto, *admin)
    listing = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
    nothing = {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*"}
    served = Served(s3, moto, tmp_path, bucket, *made_key(iam, f"l{bucket[:20]}", listing))
    served.make("a.txt", "text")
    lists = served.connect()
    [ref] = [event for event in lists.scan(None) if isinstance(event, Ref)]
    with pytest.raises(ConnectorRefused, match=r"a\.txt may not be read"):
        lists.fetch(ref)
    served.key, served.secret = made_key(iam, f"n{bucket[:20]}", nothing)

    assert "s3:ListBucket" in failures(served.connect())[0]


def test_five_thousand_objects_are_listed_as_fast_as_by_a_client_that_only_lists(source: Served) -> None:
    if source.key == "S3RVER":
        pytest.skip("it walks its folder for each page; the figures in question are moto's")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: source.make(f"Ordner {n % 100}/Prüfung {n}.txt", "x"), range(5_000)))
    took = {}
    for name in ("boto3", "kbm"):
        began = time.monotonic()
        if name == "kbm":
            n_found = sum(isinstance(event, Ref) for event in source.connect().scan(None))
        else:
            pages = source.s3.get_paginator("list_objects_v2").paginate(Bucket=source.bucket)
            n_found = sum(len(page["Contents"]) for page in pages)
        took[name] = time.monotonic() - began
        assert n_found == 5_000
    print({name: round(seconds, 2) for name, seconds in took.items()})  # noqa: T201 - the figure is the result

    assert took["kbm"] < 3 * took["boto3"]
