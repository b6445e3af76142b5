"""The report by mail, over SMTP.

A password goes over an encrypted connection only, or to this machine itself. STARTTLS is used wherever the server
offers it, except on the loopback: there it protects nothing, and distributions ship certificates nobody can check.
"""

from __future__ import annotations

import smtplib
import ssl
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from kbm.domain.report import Report
from kbm.errors import ConfigError, NotificationFailed
from kbm.ports import NotifierSettings
from kbm.providers.secret_refs import resolve

TIMEOUT_S = 20.0
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Mail:
    """Sends one message to all of ``mail_to``, as plain text and as HTML."""

    name: ClassVar[str] = "mail"

    def __init__(self, settings: NotifierSettings, root: Path) -> None:
        server = urlsplit(str(settings["smtp"]))
        if server.username or server.password:
            raise ConfigError(
                "report.smtp holds a name or password",
                hint="give them as report.smtp_user and report.smtp_password",
            )
        try:
            port = server.port
        except ValueError:
            raise ConfigError("report.smtp: the port is no number from 0 to 65535") from None
        self._secure = server.scheme == "smtps"
        self._host = server.hostname or "127.0.0.1"
        self._port = port or (465 if self._secure else 25)
        self._to = tuple(str(one) for one in settings["mail_to"])
        self._from = str(settings["mail_from"])
        self._user = str(settings["smtp_user"])
        self._password = str(settings["smtp_password"])
        self._root = root

    def send(self, report: Report) -> None:
        """Send it.

        Raises:
            ConfigError: the password's reference or an address cannot be used.
            NotificationFailed: the server did not take the message, or not for everyone.
        """
        message = self._message(report)
        password = ""
        if self._user:
            password = resolve(self._password, key="report.smtp_password", root=self._root)
        try:
            with self._connect() as server:
                if self._user:
                    self._log_in(server, password)
                refused = server.send_message(message)
        except (smtplib.SMTPException, OSError) as error:
            raise NotificationFailed(
                f"the mail server {self._host}:{self._port} did not take the report: {_told(error, password)}",
                hint="check report.smtp, smtp_user, mail_from and mail_to",
            ) from None
        if refused:
            raise NotificationFailed(
                f"the mail server took the report, but not for {', '.join(sorted(refused))}",
                hint="check report.mail_to",
            )

    def _message(self, report: Report) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        try:
            message["From"] = self._from
            message["To"] = ", ".join(self._to)
        except (ValueError, MessageError, IndexError) as error:
            raise ConfigError(f"report.mail_from or report.mail_to is no mail address: {error}") from None
        message["Subject"] = " ".join(report.subject.split())
        message["Date"] = formatdate(localtime=True)
        # The same id for the same report: a server that gets it twice can tell.
        message["Message-ID"] = f"<report-{report.id}@{self._from.rpartition('@')[2].strip('<> ')}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(report.markdown)
        message.add_alternative(report.html, subtype="html")
        message["Content-Language"] = report.language  # earlier, it would go into the first part
        return message

    def _connect(self) -> smtplib.SMTP:
        if self._secure:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)
        try:
            server.ehlo_or_helo_if_needed()
            if server.has_extn("starttls") and self._host not in _LOOPBACK:
                server.starttls(context=ssl.create_default_context())
                self._secure = True
        except BaseException:
            server.close()
            raise
        return server

    def _log_in(self, server: smtplib.SMTP, password: str) -> None:
        if not self._secure and self._host not in _LOOPBACK:
            raise NotificationFailed(
                f"the mail server {self._host}:{self._port} offers no encryption, so no password was sent",
                hint="use smtps://, or leave report.smtp_user empty",
            )
        server.login(self._user, password)


def _told(error: Exception, secret: str) -> str:
    """Say a fault in one short line that cannot hold the secret."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = f"it refused {', '.join(sorted(error.recipients))}"
    elif isinstance(error, smtplib.SMTPResponseException):
        answer = error.smtp_error
        said = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
        said = f"{error.smtp_code} {said}"
    elif isinstance(error, OSError) and error.strerror:
        said = error.strerror.lower()
    else:
        said = str(error) or type(error).__name__
    line = " ".join(said.split())[:200]
    return line.replace(secret, "…") if secret else line
