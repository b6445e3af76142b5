"""What a person writes in kbm.toml about a Paperless-ngx."""

from __future__ import annotations

from pydantic import Field

from kbm_connectors.http import HttpSettings, Reference


class PaperlessSettings(HttpSettings):
    """Keys of a source of kind ``paperless``."""

    token: Reference = Field(
        default="",
        description="Token of the account, in place of user and password: 'env:NAME' or 'file:PATH'.",
    )
    tags: tuple[str, ...] = Field(default=(), description="Only documents with one of these tags.")
    document_types: tuple[str, ...] = Field(default=(), description="Only documents of one of these types.")
    full_every_hours: float = Field(
        default=24, ge=0, le=2_160, description="Hours between full listings; 0: each sync."
    )
