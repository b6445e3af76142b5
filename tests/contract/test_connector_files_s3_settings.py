"""What settings of an S3 source are taken, and what is said of the others."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kbm_connectors.files import FilesConnector

from kbm.bootstrap import Kbm
from kbm.config import settings_from
from kbm.errors import ConfigError
from tests.contract.s3_bucket import SECRET, Bucket, Front, error, known_of, told


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
