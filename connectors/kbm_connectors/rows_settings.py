"""What a person writes for a source of kind ``rows``."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from kbm_connectors.http import Reference
from kbm_connectors.profile import Profile
from kbm_connectors.settings import SourceSettings
from kbm_connectors.sql_text import fault_in

_DATABASE = re.compile(r"(sqlite|postgres|postgresql)://", re.IGNORECASE)
_WITH_PASSWORD = re.compile(r"://[^/@]*:[^/@]*@")
_OF_FILES = ("encoding", "delimiter", "fixed", "record", "sheet", "header_row", "first_row", "stop_at")


def is_database(url: str) -> bool:
    """Tell whether an address is one of a database."""
    return bool(_DATABASE.match(url))


class RowsSettings(SourceSettings):
    """Keys of a source of kind ``rows``."""

    url: str = Field(
        min_length=1,
        description="A CSV, TSV, fixed-width, XLSX or XML file; * and ? in its name mean the newest, or all with "
        "files. Or a database: sqlite:///erp/kb.sqlite, postgresql://erp.example/kb.",
    )
    profile: Profile
    files: Literal["newest", "all"] = Field(
        default="newest", description="Of the files that match url: the newest one, or each of them."
    )
    view: str = Field(default="", description="View or table of a database, as in 'erp.prices'.")
    query: str = Field(default="", description="Instead of view: one SELECT.")
    user: str = Field(default="", description="Account of the database; one that may only read.")
    password: Reference = Field(default="", description="Its password: 'env:NAME' or 'file:PATH'.")
    encryption: Literal["verify", "require", "none"] = Field(
        default="require",
        description="Of the connection to PostgreSQL: with its certificate checked, encrypted, or not.",
    )
    ca_file: str = Field(default="", description="Certificates of a company's own authority, in PEM.")
    allow_private: bool = Field(default=False, description="The database stands inside this network.")
    timeout_s: float = Field(
        default=120.0, gt=0, le=3600, description="Longest wait for an answer of the database, in seconds."
    )

    @model_validator(mode="after")
    def _fit_the_address(self) -> RowsSettings:
        keys = ("view", "query", "user", "password", "encryption", "ca_file", "allow_private", "timeout_s")
        if not is_database(self.url):
            wrong = [key for key in keys if key in self.model_fields_set]
            if wrong:
                raise ValueError(f"{', '.join(wrong)}: only for a database, and url names a file")
            return self
        if _WITH_PASSWORD.search(self.url):
            raise ValueError("url holds a password: name it with password = 'env:NAME' or 'file:PATH'")
        wrong = [f"profile.{key}" for key in _OF_FILES if key in self.profile.model_fields_set]
        if wrong or "files" in self.model_fields_set:
            raise ValueError(f"{', '.join(wrong or ['files'])}: only for files, and url names a database")
        if bool(self.view) == bool(self.query):
            raise ValueError("a database needs view = 'NAME' or query = 'SELECT …', one of them")
        fault = fault_in(self.query) if self.query else ""
        if fault:
            raise ValueError(f"query: {fault}")
        return self
