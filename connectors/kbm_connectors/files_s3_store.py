"""One bucket, asked through botocore and connected to by :mod:`kbm_connectors.http`.

botocore, the ground of boto3, knows regions, the ways to come by credentials, and how a request is signed. Sending
is left to the client all connectors share: it looks at the address that is connected to, keeps the pace, tries
again and refuses web pages.

An answer counts as a page of a listing only if it names the bucket, says whether there is more, and holds as many
keys as it says. botocore alone takes an empty answer for a bucket without objects.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import httpx
from pydantic import AfterValidator, Field, field_validator, model_validator

from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from kbm_connectors.files_settings import FileChoice
from kbm_connectors.http import HttpClient, HttpSettings
from kbm_connectors.secret_refs import SecretRef, check_reference

_ANSWERS = frozenset(range(300, 500)) - {408, 425, 429}
"""Statuses that are the store's own word, to be read and not to be tried again."""
_OTHER_REGION = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
)
_BAD_ACCOUNT = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired"}
)
_CODE = re.compile(r"[A-Za-z0-9.]{1,60}")

Reference = Annotated[str, AfterValidator(check_reference)]


class S3Settings(FileChoice):
    """Keys of a source of kind ``files`` in an S3 store."""

    url: str = Field(min_length=1, description="s3://BUCKET or s3://BUCKET/FOLDER.")
    endpoint_url: str = Field(
        default="", description="Address of a store that is not Amazon's, as https://minio.example.com."
    )
    region: str = Field(default="", description="Region of the bucket, as eu-central-1.")
    key_id: Reference = Field(
        default="",
        description="Access key: 'env:NAME' or 'file:PATH'. Empty: what the AWS tools would use here.",
    )
    secret_key: Reference = Field(default="", description="Its secret: 'env:NAME' or 'file:PATH'.")
    session_token: Reference = Field(default="", description="Its token, if the key is a temporary one.")
    anonymous: bool = Field(default=False, description="Read a public bucket without an account.")
    allow_private: bool = Field(default=False, description="The store stands inside this network.")
    ca_file: str = Field(default="", description="Certificates of a company's own authority, in PEM.")
    timeout_s: float = Field(
        default=60.0, gt=0, le=600, description="Longest wait for an answer, in seconds."
    )
    max_requests_per_second: float = Field(
        default=100.0, gt=0, le=10_000, description="To one store, at most; a file is one."
    )
    max_answer_mb: int = Field(default=100, ge=1, le=2_000, description="Largest file that is read.")

    @field_validator("endpoint_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        return HttpSettings(url=url).url if url and "@" not in url else url

    @model_validator(mode="after")
    def _key_is_whole(self) -> S3Settings:
        if bool(self.key_id) != bool(self.secret_key) or (self.session_token and not self.key_id):
            raise ValueError("key_id and secret_key are given together or not at all")
        if self.anonymous and self.key_id:
            raise ValueError("anonymous = true reads without a key: leave key_id out")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """An object as a listing has it; ``uploaded`` is all that S3 knows of its age."""

    key: str
    etag: str
    size: int
    uploaded: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a listing; ``next`` asks for the following part, empty at the end."""

    objects: tuple[Object, ...]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """An object's bytes; ``modified`` is what the tool that copied it here says of the file it was."""

    data: bytes = field(repr=False)
    modified: datetime | None


class S3Store:
    """The objects of *bucket* below *prefix*; safe to make without the store."""

    def __init__(
        self,
        source: str,
        settings: S3Settings,
        root: Path,
        bucket: str,
        prefix: str,
        pause: Callable[[float], None],
    ) -> None:
        if "@" in settings.endpoint_url:
            # Told here and not by the settings' own check, which repeats the value.
            raise ConfigError(
                f"sources.{source}.endpoint_url: an address holds no account",
                hint="use key_id and secret_key",
            )
        self._source, self._settings, self._root = source, settings, root
        self._bucket, self._prefix, self._pause = bucket, prefix, pause
        self._http: _Sender | None = None
        self._client: Any = None  # Any is botocore's

    def page(self, after: str) -> Page:
        """Ask for a part of the listing; *after* is the previous part's ``next``.

        Raises:
            ConfigError: botocore is not installed, or the key cannot be read.
            ConnectorUnavailable: no whole answer.
            ConnectorRefused: there is no such bucket, or it may not be listed.
        """
        asked = {"Bucket": self._bucket, "Prefix": self._prefix}
        answer = self._ask("list_objects_v2", {**asked, "ContinuationToken": after} if after else asked, "")
        objects = answer.get("Contents", [])
        n_listed = answer.get("KeyCount", len(objects))
        following = str(answer.get("NextContinuationToken", ""))
        if not answer.get("Name") or "IsTruncated" not in answer or n_listed != len(objects):
            raise self._unavailable("the answer is no whole listing")
        if answer["IsTruncated"] and (not following or following == after):
            raise self._unavailable("the listing breaks off: it has more, and does not say how to go on")
        if not all(str(one.get("Key", "")).startswith(self._prefix) for one in objects):
            raise self._unavailable("the listing is one of another folder")
        return Page(
            objects=tuple(
                Object(
                    key=one["Key"],
                    etag=str(one.get("ETag", "")).strip('"'),
                    size=one.get("Size", 0),
                    uploaded=one["LastModified"].astimezone(UTC) if "LastModified" in one else None,
                )
                for one in objects
            ),
            next=following if answer["IsTruncated"] else "",
        )

    def read(self, key: str, named: str) -> Body:
        """Give an object, which people know as *named*.

        Raises:
            ConnectorUnavailable: it is gone, or no whole answer came.
            ConnectorRefused: it may not be read, or is too large.
        """
        answer = self._ask("get_object", {"Bucket": self._bucket, "Key": key}, named)
        data: bytes = answer["Body"].read()
        if not answer.get("ETag"):
            raise self._unavailable(f"something else answered in place of {named}")
        return Body(data=data, modified=original_time(answer.get("Metadata", {})))

    def _ask(self, operation: str, arguments: Mapping[str, str], named: str) -> Any:
        """Ask the store; Any is what botocore makes of its answer. An empty *named* means the listing."""
        self._client = self._client or self._connected()
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

        try:
            return getattr(self._client, operation)(**arguments)
        except ConnectorError:
            raise
        except ClientError as error:
            # The next one reads the key anew: it may have been changed meanwhile.
            self._client = None
            raise self._fault(error.response, named) from None
        except NoCredentialsError:
            self._client = None
            raise self._refused(
                "there are no credentials here",
                hint="give key_id and secret_key, or say anonymous = true for a public bucket",
            ) from None
        except ParamValidationError:
            raise self._refused("the bucket or the object has a name that cannot be asked for") from None
        except BotoCoreError as error:
            self._client = None
            raise self._unavailable(f"no answer that can be used ({type(error).__name__})") from None

    def _connected(self) -> Any:
        try:
            from botocore import UNSIGNED
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
            from botocore.session import Session
        except ImportError:
            raise ConfigError(
                "reading s3:// needs a library that is not installed", hint="pip install 'kbm[s3]'"
            ) from None
        given = self._settings
        options: dict[str, Any] = {
            # Tried again by the sender. What the AWS tools are told on this machine is not meant for this source.
            "retries": {"total_max_attempts": 1},
            "ignore_configured_endpoint_urls": True,
            # The sender unpacks; a checksum of the packed bytes would not fit.
            "response_checksum_validation": "when_required",
            "s3": {"addressing_style": "path" if given.endpoint_url else "auto"},
        }
        if given.anonymous:
            options["signature_version"] = UNSIGNED
        try:
            session = Session()
            session.register_component("data_loader", _descriptions())
            client = session.create_client(
                "s3",
                region_name=given.region or None,
                endpoint_url=given.endpoint_url or None,
                aws_access_key_id=self._secret("key_id", given.key_id),
                aws_secret_access_key=self._secret("secret_key", given.secret_key),
                aws_session_token=self._secret("session_token", given.session_token),
                config=Config(**options),
            )
        except (BotoCoreError, ValueError) as error:
            raise ConfigError(
                f"sources.{self._source}: no connection to S3 can be made with these keys ({type(error).__name__})",
                hint="check region, endpoint_url and the AWS settings of the account that runs kbm",
            ) from None
        http = HttpSettings(
            url=client.meta.endpoint_url,
            **given.model_dump(
                include={
                    "allow_private",
                    "ca_file",
                    "timeout_s",
                    "max_requests_per_second",
                    "max_answer_mb",
                }
            ),
        )
        self._http = _Sender(self._source, http, self._root, pause=self._pause)
        client.meta.events.register("before-send.s3", self._http.send)
        return client

    def _secret(self, key: str, reference: str) -> str | None:
        if not reference:
            return None
        return SecretRef(key=f"sources.{self._source}.{key}", reference=reference, root=self._root).read()

    def _fault(self, answer: Mapping[str, Any], named: str) -> ConnectorError:
        """Say what an error of the store means; nothing but its code is repeated."""
        code = str(answer.get("Error", {}).get("Code", ""))
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        told = f"HTTP {status}" + (f" {code}" if _CODE.fullmatch(code) and code != str(status) else "")
        what = named or f"bucket {self._bucket}"
        if code == "NoSuchBucket":
            return self._refused(f"there is no {what}", hint="check url, endpoint_url and region")
        if code in _BAD_ACCOUNT:
            return self._refused(
                f"{told}: the key or its secret is not taken", hint="check key_id and secret_key"
            )
        if code == "RequestTimeTooSkewed":
            return self._refused(f"{told}: the clocks differ too much", hint="set this machine's clock")
        if code in _OTHER_REGION:
            return self._refused(f"{told}: the bucket lies elsewhere", hint="name its region")
        if code == "InvalidObjectState":
            return self._refused(f"{what} is in an archive", hint="restore it, or exclude it")
        if status == 403:
            right = "s3:GetObject" if named else "s3:ListBucket"
            return self._refused(f"{told}: {what} may not be read", hint=f"give the key the right {right}")
        if named and status in (404, 410):
            return self._unavailable(f"{named} is not there any more")
        return self._unavailable(told) if status >= 500 or status < 400 else self._refused(told)

    def _unavailable(self, why: str) -> ConnectorUnavailable:
        return ConnectorUnavailable(f"source {self._source}: {self._place}: {why}")

    def _refused(self, why: str, hint: str = "") -> ConnectorRefused:
        return ConnectorRefused(f"source {self._source}: {self._place}: {why}", hint=hint)

    @property
    def _place(self) -> str:
        return self._http.host if self._http is not None else "s3"


class _Sender(HttpClient):
    """Sends what botocore has signed."""

    def send(self, request: Any, event_name: str, **_: object) -> Any:
        """Take a request and give its answer; both Any are botocore's."""
        from botocore.awsrequest import AWSResponse

        headers = {
            name: value.decode("ascii") if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        }
        reply = self._ask(httpx.Request(request.method, request.url, headers=headers), _ANSWERS)
        if reply.status < 300 and event_name.endswith("ListObjectsV2"):
            self.must_be(reply, "xml")
        # Its length is that of what was unpacked.
        answered = {**reply.headers, "content-length": str(len(reply.body))}
        return AWSResponse(request.url, reply.status, answered, _Bytes(reply.body))


@cache
def _descriptions() -> Any:
    """Give what botocore reads its interfaces' descriptions with; it keeps the large ones. Any is botocore's."""
    from botocore.loaders import create_loader

    return create_loader()


class _Bytes(io.BytesIO):
    """A body as botocore wants it."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def original_time(metadata: Mapping[str, str]) -> datetime | None:
    """Give the time that the tool which copied a file here wrote beside it.

    Known are rclone and s3fs (``mtime`` in seconds), DataSync (``file-mtime`` with its unit) and s3cmd.
    """
    named = {key.casefold(): value for key, value in metadata.items()}
    attributes = dict(part.partition(":")[::2] for part in named.get("s3cmd-attrs", "").split("/"))
    text = named.get("mtime") or named.get("file-mtime") or attributes.get("mtime", "")
    found = re.fullmatch(r"(\d{1,20}(?:\.\d{1,12})?)(ns|us|ms|s|)", text.strip())
    if found is None:
        return None
    try:
        return datetime.fromtimestamp(
            float(found[1]) / {"ns": 1e9, "us": 1e6, "ms": 1e3}.get(found[2], 1), UTC
        )
    except (OverflowError, ValueError, OSError):
        return None
