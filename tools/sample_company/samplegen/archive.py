"""Make zip containers (docx, xlsx, pptx) come out equal on every run.

The office libraries stamp the time of saving into the archive and into ``docProps/core.xml``; both are
replaced by the date of the document, and the thumbnail of the library's template is dropped.
"""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime

_DROPPED = {"docProps/thumbnail.jpeg"}
_APP = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
    "<Company>Keller Maschinenbau GmbH &amp; Co. KG</Company></Properties>"
)


def settled(data: bytes, written: datetime) -> bytes:
    """Return the archive *data* with every time in it set to *written*."""
    stamp = written.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name in _DROPPED:
                continue
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(W3CDTF\">)[^<]*(<)", rb"\g<1>" + stamp + rb"\g<2>", content)
            elif name == "docProps/app.xml":
                content = _APP.encode()
            elif name == "_rels/.rels":
                content = re.sub(rb"<Relationship [^>]*thumbnail[^>]*/>", b"", content)
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            new.writestr(info, content, compresslevel=9)
    return out.getvalue()
