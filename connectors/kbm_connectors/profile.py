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
_SPAN = re.compile(r"(\d+)(?:-(\d*))?")
_ENCODINGS = ("utf-8-sig", "cp1252", "utf-16", "cp850", "iso-8859-15")


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Columns = Annotated[tuple[str, ...], BeforeValidator(_as_list)]

Span = tuple[int, int | None]
"""Where a column lies in a line: from, up to but without; counted from 0, ``None`` is the end of the line."""


class Profile(SourceSettings):
    """How to read the rows of a table."""

    encoding: str = Field(default="utf-8-sig", description="Encoding of a text file, decoded strictly.")
    delimiter: Literal[";", ",", "\t", "|"] | None = Field(
        default=None, description="Separator of a text file; a tab for .tsv, else a semicolon."
    )
    fixed: dict[str, str] = Field(
        default_factory=dict,
        description="Columns of a file of fixed width: name and places, as in { Artikel = '1-8', Preis = '9-' }.",
    )
    record: str = Field(
        default="", description="Element of an XML file that is a row: artikel, or katalog/artikel."
    )
    sheet: str | int | None = Field(default=None, description="Sheet by name or by number from 1; the first.")
    header_row: int = Field(
        default=1,
        ge=0,
        description="Line that names the columns, from 1; 0: no line does, columns or fixed do.",
    )
    first_row: int = Field(
        default=0, ge=0, description="Line the rows begin at, from 1; 0: the one after the header."
    )
    columns: Columns = Field(
        default=(), description="The header as it was confirmed, in any order: another one is refused."
    )
    key: Columns = Field(min_length=1, description="Columns whose values name a document.")
    title: str = Field(default="", description="Title of a document, as in 'Preisliste {Preisliste}'.")
    intro: str = Field(default="", description="Sentence above the rows, with columns in braces.")
    drop: Columns = Field(default=(), description="Columns that are not read.")
    mask: Columns = Field(
        default=(), description="Columns whose values are replaced before anything is kept."
    )
    stop_at: str = Field(default="", description="Reading stops at the row that starts with this text.")
    decimal: Literal[".", ","] = Field(
        default=".", description="Decimal separator of numbers in sheets, and in the columns of numbers."
    )
    numbers: Columns = Field(
        default=(), description="Columns whose values are kept as exact decimals besides their spelling."
    )
    dates: Columns = Field(
        default=(), description="Columns whose values are kept as ISO dates besides their spelling."
    )

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

    @field_validator("fixed")
    @classmethod
    def _spans_in_order(cls, fixed: dict[str, str]) -> dict[str, str]:
        end: int | None = 0
        for name, places in fixed.items():
            found = _SPAN.fullmatch(places.replace(" ", ""))
            if not found:
                raise ValueError(f"column {name!r} lies at places such as '1-8', '9' or '9-', counted from 1")
            start, stop = _span(found)
            if end is None or start < end or (stop is not None and stop <= start):
                raise ValueError(
                    f"column {name!r} begins before the one before it ends, or ends before it begins"
                )
            end = stop
        return fixed

    @model_validator(mode="after")
    def _layout_is_one(self) -> Profile:
        if self.fixed and self.delimiter:
            raise ValueError("a file has a delimiter or columns of fixed width, not both")
        if self.fixed and self.columns and set(self.fixed) != set(self.columns):
            raise ValueError("fixed names the columns with their places; leave columns out")
        if self.header_row == 0 and not self.columns and not self.fixed:
            raise ValueError("without a header (header_row = 0) columns must name every column in order")
        if self.first_row and self.first_row <= self.header_row:
            raise ValueError("first_row lies below header_row")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns names a column twice")
        known = self.columns or (tuple(self.fixed) if self.fixed else ())
        for name in self.named() if known else ():
            if name not in known:
                raise ValueError(f"column {name!r} is not among the columns: {', '.join(known[:30])}")
        return self

    @model_validator(mode="after")
    def _no_contradiction(self) -> Profile:
        for name in self.key:
            if name in self.drop or name in self.mask:
                raise ValueError(f"column {name!r} is the key, so it can be neither dropped nor masked")
        for name in template_columns(self.title, self.intro):
            if name in self.drop:
                raise ValueError(f"column {name!r} is dropped, so title and intro cannot show it")
        for name in (*self.numbers, *self.dates):
            if name in self.drop or name in self.mask:
                raise ValueError(f"column {name!r} is dropped or masked, so its values cannot be kept")
        return self

    @property
    def hides(self) -> bool:
        """Tell whether some values may not leave the connector, error texts included."""
        return bool(self.drop or self.mask)

    @property
    def digest(self) -> Digest:
        """Name this profile: another one makes other documents."""
        return digest("rows-profile", self.model_dump_json(exclude_defaults=True))

    @property
    def spans(self) -> dict[str, Span]:
        """Give the places of the columns of fixed width."""
        found = {name: _SPAN.fullmatch(places.replace(" ", "")) for name, places in self.fixed.items()}
        return {name: _span(one) for name, one in found.items() if one}

    def named(self) -> list[str]:
        """List every column the profile says something about, once each."""
        shown = template_columns(self.title, self.intro)
        hidden = [*self.drop, *self.mask]
        return list(dict.fromkeys([*self.key, *shown, *hidden, *self.numbers, *self.dates]))


def _span(found: re.Match[str]) -> Span:
    start = int(found[1]) - 1
    if found[2] is None:
        return start, start + 1
    return start, int(found[2]) if found[2] else None


def template_columns(*templates: str) -> list[str]:
    """List the columns that *templates* name."""
    return [name.strip() for template in templates for name in _FIELD.findall(template)]


def filled(template: str, row: Mapping[str, str | None]) -> str:
    """Put the values of *row* into *template*.

    Not ``str.format``: column names hold dots, brackets and spaces, and a template may not reach attributes.
    """
    return " ".join(_FIELD.sub(lambda found: row[found[1].strip()] or "", template).split())


def item_id(values: Iterable[str | None]) -> str:
    """Join key *values* to the id of a document; ``/`` and ``%`` inside them are escaped."""
    return "/".join((value or "").replace("%", "%25").replace("/", "%2F") for value in values)
