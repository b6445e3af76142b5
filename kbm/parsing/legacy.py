"""Old binary office formats: LibreOffice makes today's of them, which are then read like any other.

It runs inside the worker, so that the worker's limits and its end are those of the converter too, with a profile of
its own that forbids macros and links, and without a network. Encrypted files are told before it starts, since it
would only say that they cannot be loaded.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from kbm.domain.documents import Blob, ParsedDocument, Reason
from kbm.errors import ParseFailed
from kbm.parsing import media_types, no_network, tools

_PACKAGES = "libreoffice-writer-nogui, libreoffice-calc-nogui and libreoffice-impress-nogui"
_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">{}</oor:items>"""
_SETTING = '<item oor:path="{}"><prop oor:name="{}" oor:op="fuse"><value>{}</value></prop></item>'
_SAFE = (
    ("/org.openoffice.Office.Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("/org.openoffice.Office.Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("/org.openoffice.Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("/org.openoffice.Office.Common/Security/Scripting", "DisableActiveContent", "true"),
    ("/org.openoffice.Office.Writer/Content/Update", "Link", "0"),
    ("/org.openoffice.Office.Calc/Content/Update", "Link", "2"),
    ("/org.openoffice.Office.Common/Misc", "UseLocking", "false"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How one old format becomes a new one."""

    suffix: str
    library: str
    filter_in: str
    target: str
    media_type: str


_WAYS = {
    media_types.DOC: _Way(
        suffix="doc",
        library="libswlo.so",
        filter_in="MS Word 97",
        target="docx:MS Word 2007 XML",
        media_type=media_types.DOCX,
    ),
    media_types.XLS: _Way(
        suffix="xls",
        library="libsclo.so",
        filter_in="MS Excel 97",
        target="xlsx:Calc MS Excel 2007 XML",
        media_type=media_types.XLSX,
    ),
    media_types.XLSB: _Way(
        suffix="xlsb",
        library="libsclo.so",
        filter_in="Calc MS Excel 2007 Binary",
        target="xlsx:Calc MS Excel 2007 XML",
        media_type=media_types.XLSX,
    ),
    media_types.PPT: _Way(
        suffix="ppt",
        library="libsdlo.so",
        filter_in="MS PowerPoint 97",
        target="pptx:Impress MS PowerPoint 2007 XML",
        media_type=media_types.PPTX,
    ),
}


class LegacyParser:
    """Reads doc, xls, xlsb and ppt where LibreOffice is installed."""

    name: ClassVar[str] = "legacy"
    version: ClassVar[str] = "1"
    media_types: ClassVar[frozenset[str]] = frozenset(_WAYS)

    def tools(self, media_type: str, languages: Sequence[str]) -> str:
        """Name the converter's version, and that of the parser which reads what it makes."""
        from kbm.parsing.office import OfficeParser

        found = tools.office()
        there = found is not None and found.reads(_WAYS[media_type].library)
        return f"{found.mark} {OfficeParser.version}" if found and there else tools.ABSENT

    def parse(self, blob: Blob, media_type: str) -> ParsedDocument:
        """Convert *blob* and read what comes of it."""
        from kbm.parsing import guard
        from kbm.parsing.office import OfficeParser

        way = _WAYS[media_type]
        if media_type != media_types.XLSB:
            from kbm.parsing.old_locks import refuse_locked

            refuse_locked(blob.data)
        found = tools.office()
        if found is None or not found.reads(way.library):
            raise ParseFailed(
                Reason.NEEDS_LIBREOFFICE,
                f"Files of the kind .{way.suffix} are read through LibreOffice, which is not installed: install "
                f"{_PACKAGES}, or save the file as .{way.suffix.rstrip('b')}x; then run `kbm sync --retry`.",
            )
        if not no_network.holds_for_programs():
            raise ParseFailed(
                Reason.UNSUPPORTED,
                "This system cannot keep LibreOffice from the network, so it is not started: "
                "save the file in a current format.",
            )
        made = Blob(data=_converted(blob.data, way, found), name=blob.name)
        guard.check(made, way.media_type)
        parsed = OfficeParser().parse(made, way.media_type)
        return replace(parsed, quality=replace(parsed.quality, strategy="converted"))


def _converted(data: bytes, way: _Way, office: tools.Office) -> bytes:
    """Run the converter in a folder of its own; nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="convert-"))
    try:
        source, made = folder / f"document.{way.suffix}", folder / "made"
        source.write_bytes(data)
        settings = folder / "profile" / "user" / "registrymodifications.xcu"
        settings.parent.mkdir(parents=True)
        settings.write_text(_PROFILE.format("".join(_SETTING.format(*one) for one in _SAFE)), "utf-8")
        order = [
            *(str(office.command), "--headless", "--norestore", "--nologo", "--nodefault", "--nolockcheck"),
            f"-env:UserInstallation={(folder / 'profile').as_uri()}",
            *(f"--infilter={way.filter_in}", "--convert-to", way.target, "--outdir", str(made)),
            str(source),
        ]
        # No time limit of its own: the worker's ends it, with all that it started.
        subprocess.run(order, stdin=subprocess.DEVNULL, check=False, cwd=folder)
        for result in made.glob("document.*") if made.is_dir() else ():
            return result.read_bytes()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    raise ParseFailed(
        Reason.DAMAGED,
        "LibreOffice cannot open the file: open it where it was made and save it in a current format.",
    )
