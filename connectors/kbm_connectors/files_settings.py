"""What a person writes about a source of kind ``files``."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from kbm_connectors.files_sides import SideSettings
from kbm_connectors.files_wiki import FORMATS
from kbm_connectors.globs import Globs
from kbm_connectors.settings import SourceSettings

GIT = "git+file://"


class FileChoice(SourceSettings):
    """Keys that mean the same wherever the files lie."""

    include: tuple[str, ...] = Field(default=("**/*",), min_length=1, description="Patterns of wanted files.")
    exclude: tuple[str, ...] = Field(default=(), description="Patterns of files or folders to leave out.")
    url_prefix: str = Field(
        default="", description="Address the citation links start with; the path is appended."
    )
    metadata: SideSettings | None = Field(
        default=None, description="Where a DMS export keeps title, author, date and readers of each file."
    )
    export: str = Field(default="", description=f"The tree is the export of a wiki: {', '.join(FORMATS)}.")

    @field_validator("metadata", mode="before")
    @classmethod
    def _file_alone(cls, metadata: object) -> object:
        return {"file": metadata} if isinstance(metadata, str) else metadata

    @field_validator("include", "exclude")
    @classmethod
    def _readable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        Globs(patterns, wildcards_match_hidden=True)
        return patterns

    @field_validator("export")
    @classmethod
    def _known_export(cls, export: str) -> str:
        if export and export not in FORMATS:
            raise ValueError(f"choose from {', '.join(FORMATS)}")
        return export


class FilesSettings(FileChoice):
    """Keys of a source of kind ``files``."""

    url: str = Field(
        min_length=1,
        description="A folder or .zip: a path, relative to kbm.toml, or file://; git+file://, webdav+https://, …",
    )
    git: bool = Field(default=False, description="Read what is committed in the repository at url.")
    ref: str = Field(
        default="HEAD", pattern=r"^\w[\w./-]*$", description="Branch, tag or commit that is read."
    )
    metadata_encoding: str = Field(
        default="",
        description="Code page of names in a zip that does not say; usual ones: cp437, cp850, cp1252.",
    )

    @field_validator("metadata_encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            "".encode(encoding or "utf-8")
        except LookupError:
            raise ValueError("no encoding of that name") from None
        return encoding

    @model_validator(mode="after")
    def _keys_fit_the_url(self) -> FilesSettings:
        if self.ref != "HEAD" and not (self.git or self.url.startswith(GIT)):
            raise ValueError("ref belongs to a git repository: set git = true")
        return self
