"""What a person writes about a source of kind ``sharepoint``, and up to where its libraries were listed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from kbm.domain.sync import Json
from kbm_connectors.globs import Globs
from kbm_connectors.http import HttpSettings, Reference
from kbm_connectors.settings import SourceSettings


def _address(url: str) -> str:
    return HttpSettings._web_address(url)


def _reader(name: str) -> str:
    kind, found, rest = name.partition(":")
    if name != "everyone" and (
        kind not in ("user", "group") or not found or not rest or name.split() != [name]
    ):
        raise ValueError("a reader is written everyone, user:NAME or group:NAME")
    return name


Address = Annotated[str, AfterValidator(_address)]
Reader = Annotated[str, AfterValidator(_reader)]


class SharePointSettings(SourceSettings):
    """Keys of a source of kind ``sharepoint``."""

    url: Address = Field(
        min_length=1, description="Address of the site, as in https://firm.sharepoint.com/sites/hr."
    )
    tenant: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$", description="The directory: its id, or a domain of it."
    )
    client_id: str = Field(min_length=1, description="The application kbm is registered as.")
    client_secret: Reference = Field(min_length=1, description="Its secret: 'env:NAME' or 'file:PATH'.")
    library: tuple[str, ...] = Field(default=(), description="Names of the document libraries; empty: all.")
    include: tuple[str, ...] = Field(default=("**/*",), min_length=1, description="Patterns of wanted files.")
    exclude: tuple[str, ...] = Field(default=(), description="Patterns of files or folders to leave out.")
    permissions: bool = Field(
        default=True, description="Read who may read each file; false: the source's readers hold."
    )
    organisation: tuple[Reader, ...] = Field(
        default=(), description="Readers that a link for the whole organisation stands for; empty: nobody."
    )
    anonymous: tuple[Reader, ...] = Field(
        default=(), description="Readers that a link for anybody stands for; empty: nobody."
    )
    readers_map: dict[str, Reader] = Field(
        default_factory=dict, description="Other names for people and groups, by their name in SharePoint."
    )
    full_every_hours: int = Field(
        default=20, ge=0, le=720, description="Hours between full listings; 0: always."
    )
    graph_url: Address = Field(
        default="https://graph.microsoft.com", description="Graph, in a national cloud."
    )
    login_url: Address = Field(
        default="https://login.microsoftonline.com", description="Sign-in, in a national cloud."
    )
    allow_private: bool = Field(default=False, description="The two stand inside this network.")
    ca_file: str = Field(default="", description="Certificates of a company's own authority, in PEM.")
    timeout_s: float = Field(
        default=60.0, gt=0, le=600, description="Longest wait for an answer, in seconds."
    )
    max_requests_per_second: float = Field(default=10.0, gt=0, le=10_000, description="To one host, at most.")
    max_answer_mb: int = Field(default=250, ge=1, le=2_000, description="Largest answer that is read.")

    @field_validator("library", mode="before")
    @classmethod
    def _one_alone(cls, library: object) -> object:
        return (library,) if isinstance(library, str) else library

    @field_validator("include", "exclude")
    @classmethod
    def _readable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        Globs(patterns, wildcards_match_hidden=True)
        return patterns

    @property
    def hostname(self) -> str:
        """Give the name of the site's host."""
        return urlsplit(self.url).hostname or ""

    def http(self, url: str) -> HttpSettings:
        """Give the settings of a client of *url*."""
        return HttpSettings(
            url=url,
            allow_private=self.allow_private,
            ca_file=self.ca_file,
            timeout_s=self.timeout_s,
            max_requests_per_second=self.max_requests_per_second,
            max_answer_mb=self.max_answer_mb,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How to ask each library on, what it is called, and where its folders stood. ``full``: the last full listing."""

    settings: str
    full: datetime
    links: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: Json) -> Cursor | None:
        """Read a stored cursor; None when it is none of this connector's."""
        match cursor:
            case {
                "settings": str(settings),
                "full": str(full),
                "links": dict(links),
                "names": dict(names),
                "folders": dict(folders),
            }:
                return cls(
                    settings=settings,
                    full=datetime.fromisoformat(full),
                    links={key: str(value) for key, value in links.items()},
                    names={key: str(value) for key, value in names.items()},
                    folders={key: str(value) for key, value in folders.items()},
                )
        return None

    def as_json(self) -> Json:
        """Give the cursor as it is stored."""
        return {
            "settings": self.settings,
            "full": self.full.isoformat(),
            "links": {**self.links},
            "names": {**self.names},
            "folders": {**self.folders},
        }
