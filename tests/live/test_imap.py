"""The connector ``imap`` against Dovecot, as Debian ships it."""

from __future__ import annotations

import imaplib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest
from kbm_connectors.imap import ImapConnector

from kbm.domain.sync import Ref
from kbm.errors import ConnectorRefused, ConnectorUnavailable
from tests.live.servers import free_port, needs, needs_root, start, stop
from tests.unit.connectors.core import Core

pytestmark = pytest.mark.live
DOVECOT = "/usr/sbin/dovecot"
PASSWORD = "kbm-Pass-789"
SIZES = "Wissen.Gr&APYA3w-e"  # Größe, as mailbox names are spelled
CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/log
ssl = {ssl}
ssl_cert = <{root}/cert.pem
ssl_key = <{root}/key.pem
disable_plaintext_auth = {must}
first_valid_uid = 1
mail_location = maildir:{root}/mail
default_login_user = dovenull
default_internal_user = dovecot
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=33 gid=33 home={root}
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


@dataclass
class Mailbox:
    """A server with one account's folders, and another client that changes them."""

    root: Path
    port: int
    process: subprocess.Popen[bytes]

    def client(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.port, 10)
        client.starttls()
        client.login("kbm", PASSWORD)
        return client

    def put(self, folder: str, name: str, text: str, subject: str = "Frage") -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "Bert <bert@example.com>", "kb@example.com", subject
        mail["Message-ID"], mail["Date"] = f"<{name}@example.com>", "Mon, 02 Nov 2026 10:00:00 +0100"
        mail.set_content(text)
        mail.add_attachment(b"Anlage", maintype="text", subtype="plain", filename="anlage.txt")
        client = self.client()
        client.create(folder)
        kind, _ = client.append(folder, "", imaplib.Time2Internaldate(time.time()), mail.as_bytes())
        assert kind == "OK"
        client.logout()

    def act(self, folder: str, uid: str, *command: str) -> None:
        client = self.client()
        client.select(folder)
        assert client.uid(command[0], uid, *command[1:])[0] == "OK"
        client.expunge()
        client.logout()

    def connect(self, **settings: object) -> ImapConnector:
        os.environ["KBM_TEST_MAIL"] = PASSWORD
        return ImapConnector(
            "mail",
            {
                "url": f"imap://localhost:{self.port}",
                "user": "kbm",
                "password": "env:KBM_TEST_MAIL",
                "allow_private": True,
                "ca_file": "cert.pem",
                "timeout_s": 10,
                "folders": ["INBOX", "Wissen*"],
                **settings,
            },
            self.root,
            pause=lambda _: None,
        )


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    needs("dovecot")
    needs_root("can change the server's user")
    # Sockets have short paths, and the mail user must reach the folder.
    root = Path(f"/tmp/kbm-dovecot-{os.getpid()}-{free_port()}")  # noqa: S108 - made by this test alone
    root.mkdir(mode=0o755)
    (root / "mail").mkdir()
    shutil.chown(root / "mail", 33, 33)
    certificate = [
        *("/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", str(root / "key.pem"), "-out", str(root / "cert.pem")),
    ]
    subprocess.run(certificate, check=True, capture_output=True, timeout=60)
    port = free_port()
    config = root / "dovecot.conf"
    config.write_text(CONFIG.format(root=root, port=port, password=PASSWORD, ssl="yes", must="yes"))
    box = Mailbox(root, port, start([DOVECOT, "-F", "-c", str(config)], port, root))
    yield box
    stop(box.process)
    shutil.rmtree(root)


def test_mails_come_go_and_move_without_being_lost(mailbox: Mailbox) -> None:
    for n in range(4):
        mailbox.put("INBOX", f"mail{n}", f"Text der Mail {n}.")
    mailbox.put(SIZES, "mail9", "Größen von Hand.")
    core, connector = Core(), mailbox.connect()
    assert connector.check() == []

    first = core.sync(connector)
    assert first.added == tuple(f"mail{n}@example.com" for n in (0, 1, 2, 3, 9))
    assert core.holds("Text der Mail 2.") == 1
    assert core.known["mail9@example.com"].scope == "Wissen.Größe"
    assert core.sync(mailbox.connect()).does_nothing

    client = mailbox.client()
    client.select("INBOX", readonly=True)
    assert client.search(None, "UNSEEN")[1] == [b"1 2 3 4"]
    client.logout()

    mailbox.act("INBOX", "1", "STORE", "+FLAGS", r"(\Deleted)")
    mailbox.act("INBOX", "2", "MOVE", SIZES)
    plan = core.sync(connector)
    assert plan.added == ()
    assert (plan.changed, plan.removed) == (("mail1@example.com",), ("mail0@example.com",))


def test_two_mails_that_claim_one_name_are_kept_apart(mailbox: Mailbox) -> None:
    mailbox.put("INBOX", "same", "Die echte Auskunft.")
    mailbox.put("INBOX", "same", "Die falsche Auskunft.")
    core = Core()

    core.sync(mailbox.connect(folders=["INBOX"]))

    assert sorted(core.known) == ["same@example.com", "same@example.com#2"]
    assert core.holds("Die echte") == core.holds("Die falsche") == 1


def test_an_outage_and_a_wrong_password_delete_nothing(mailbox: Mailbox) -> None:
    mailbox.put("INBOX", "mail", "Text.")
    core = Core()
    core.sync(mailbox.connect(folders=["INBOX"]))
    os.environ["KBM_TEST_OTHER"] = "not-the-password-of-this-box"

    with pytest.raises(ConnectorRefused, match="does not log kbm in") as refused:
        core.sync(mailbox.connect(password="env:KBM_TEST_OTHER"))
    assert "not-the-password" not in f"{refused.value}{refused.value.hint}"
    with pytest.raises(ConnectorRefused, match="certificate is not trusted"):
        core.sync(mailbox.connect(ca_file=""))
    gone = core.sync(mailbox.connect(folders=["INBOX", "Wisen"]))
    assert (gone.failed_scopes, gone.removed) == (("Wisen",), ())
    stop(mailbox.process)
    with pytest.raises(ConnectorUnavailable, match="no connection"):
        core.sync(mailbox.connect(folders=["INBOX"]))


def test_a_mail_that_went_before_it_was_fetched_is_told(mailbox: Mailbox) -> None:
    mailbox.put("INBOX", "mail", "Text.")
    connector = mailbox.connect(folders=["INBOX"])
    ref = next(event for event in connector.scan(None) if isinstance(event, Ref))
    mailbox.act("INBOX", "1", "STORE", "+FLAGS", r"(\Deleted)")

    with pytest.raises(ConnectorUnavailable, match="not where it was listed"):
        connector.fetch(ref)
