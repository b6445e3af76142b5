"""How an export is to be read: the part of a ``rows`` source that a person writes.

Nothing is guessed at run time. A guessed encoding turns cp1252 into cp1250 and "ß" into "ß" most days and into
something else on others; a guessed type turns article number 000123 into 123. So a person names encoding,
separator, header line and key once, and a file that does not fit is refused with the line that shows it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from kbm.domain.identity import Digest, digest
from kbm_connectors.settings import SourceSettings

MASK = "•••"
"""What stands in the place of a masked value, whatever it was."""

_FIELD = re.compile(r"\{([^{}]+)\}")
_ENCODINGS = ("utf-8-sig", "cp1252", "utf-16", "cp850", "iso-8859-15")


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Columns = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class Profile(SourceSettings):
    """How to read the rows of a table."""

    encoding: str = Field(default="utf-8-sig", description="Encoding of a text file, decoded strictly.")
    delimiter: Literal[";", ",", "\t", "|"] | None = Field(
        default=None, description="Separator of a text file; a tab for .tsv, else a semicolon."
    )
    sheet: str | int | None = Field(default=None, description="Sheet by name or by number from 1; the first.")
    header_row: int = Field(default=1, ge=1, description="Line that names the columns, from 1.")
    key: Columns = Field(min_length=1, description="Columns whose values name a document.")
    title: str = Field(default="", description="Title of a document, as in 'Preisliste {Preisliste}'.")
    intro: str = Field(default="", description="Sentence above the rows, with columns in braces.")
    drop: Columns = Field(default=(), description="Columns that are not read.")
    mask: Columns = Field(
        default=(), description="Columns whose values are replaced before anything is kept."
    )
    stop_at: str = Field(default="", description="Reading stops at the row that starts with this text.")
    decimal: Literal[".", ","] = Field(default=".", description="Decimal separator of numbers in sheets.")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            "".encode(name)
            canonical = codecs.lookup(name).name
        except LookupError:
            raise ValueError(f"no encoding of that name; usual ones: {', '.join(_ENCODINGS)}") from None
        # A mark at the start is no part of the first column's name.
        return "utf-8-sig" if canonical == "utf-8" else name

    @field_validator("sheet")
    @classmethod
    def _sheet_from_one(cls, sheet: str | int | None) -> str | int | None:
        if isinstance(sheet, int) and sheet < 1:
            raise ValueError("sheets are counted from 1")
        return sheet

    @model_validator(mode="after")
    def _no_contradiction(self) -> Profile:
        for name in self.key:
            if name in self.drop or name in self.mask:
                raise ValueError(f"column {name!r} is the key, so it can be neither dropped nor masked")
        for name in template_columns(self.title, self.intro):
            if name in self.drop:
                raise ValueError(f"column {name!r} is dropped, so title and intro cannot show it")
        return self

    @property
    def hides(self) -> bool:
        """Tell whether some values may not leave the connector, error texts included."""
        return bool(self.drop or self.mask)

    @property
    def digest(self) -> Digest:
        """Name this profile: another one makes other documents."""
        return digest("rows-profile", self.model_dump_json())

    def columns(self) -> list[str]:
        """List every column the profile names, once each."""
        named = [*self.key, *template_columns(self.title, self.intro), *self.drop, *self.mask]
        return list(dict.fromkeys(named))


def template_columns(*templates: str) -> list[str]:
    """List the columns that *templates* name."""
    return [name.strip() for template in templates for name in _FIELD.findall(template)]


def filled(template: str, row: Mapping[str, str]) -> str:
    """Put the values of *row* into *template*.

    Not ``str.format``: column names hold dots, brackets and spaces, and a template may not reach attributes.
    """
    return " ".join(_FIELD.sub(lambda found: row[found[1].strip()], template).split())


def item_id(values: Iterable[str]) -> str:
    """Join key *values* to the id of a document; ``/`` and ``%`` inside them are escaped."""
    return "/".join(value.replace("%", "%25").replace("/", "%2F") for value in values)
