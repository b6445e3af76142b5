"""Which addresses `kbm connect` takes for a wiki or a mail server, and what it proposes for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kbm_connectors.dokuwiki import DokuWikiConnector
from kbm_connectors.imap import ImapConnector
from kbm_connectors.mediawiki import MediaWikiConnector

KINDS = {kind.kind: kind for kind in (DokuWikiConnector, ImapConnector, MediaWikiConnector)}


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://w.example/w/api.php", {"mediawiki": {"url": "https://w.example/w/api.php"}}),
        ("https://w.example/index.php?title=Seite", {"mediawiki": {"url": "https://w.example/api.php"}}),
        ("https://w.example/wiki/Seite", {"mediawiki": {"url": "https://w.example/w/api.php"}}),
        ("http://w.example/wiki/doku.php?id=it:vpn", {"dokuwiki": {"url": "http://w.example/wiki"}}),
        ("http://w.example/lib/exe/jsonrpc.php", {"dokuwiki": {"url": "http://w.example"}}),
        ("http://w.example:81/dokuwiki/", {"dokuwiki": {"url": "http://w.example:81/dokuwiki"}}),
        ("imaps://mail.example", {"imap": {"url": "imaps://mail.example"}}),
        (
            "imap://kb%40x:pa55word@mail.example:143/INBOX",
            {"imap": {"url": "imap://mail.example:143", "user": "kb@x", "folders": ["INBOX"]}},
        ),
        ("https://files.example/share", {}),
        ("./dms", {}),
        ("ftp://w.example/api.php", {}),
    ],
)
def test_an_address_is_told_by_its_look(url: str, found: dict[str, Any], tmp_path: Path) -> None:
    proposed = {name: kind.recognises(url, tmp_path) for name, kind in KINDS.items()}

    assert {name: keys for name, keys in proposed.items() if keys} == found
