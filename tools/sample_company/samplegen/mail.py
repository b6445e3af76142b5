"""Write a page as .eml; ``html: yes`` adds an HTML part, ``attach: FILE`` an attachment from ``content/``."""

from __future__ import annotations

from datetime import UTC
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from .content import Page, plain, read_page
from .pdf import pdf_bytes
from .web import html_page


def eml_bytes(page: Page) -> bytes:
    message = EmailMessage(policy=SMTP)
    number = f"{page.written:%Y%m%d%H%M}"
    message["From"], message["To"] = page.extra["from"], page.extra["to"]
    if "cc" in page.extra:
        message["Cc"] = page.extra["cc"]
    message["Subject"] = page.title
    message["Date"] = format_datetime(page.written.replace(tzinfo=UTC))
    message["Message-ID"] = f"<{number}@keller.example>"
    message.set_content(plain(page.body), cte="quoted-printable")
    if page.extra.get("html") == "yes":
        message.add_alternative(html_page(page), subtype="html", cte="quoted-printable")
    if "attach" in page.extra:
        _attach(message, page)
    # Without fixed boundaries each run would draw new random ones.
    for index, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_keller_{number}_{index}")
    return message.as_bytes()


def _attach(message: EmailMessage, page: Page) -> None:
    path = page.source.parent / page.extra["attach"]
    if path.suffix == ".md":
        inner = read_page(path)
        message.add_attachment(
            pdf_bytes(inner), maintype="application", subtype="pdf", filename=inner.target.rpartition("/")[2]
        )
    else:
        message.add_attachment(path.read_text(encoding="utf-8"), filename=path.name, cte="quoted-printable")
