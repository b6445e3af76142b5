"""Reports on their way: by mail and webhook over real sockets, and what a receiver can do wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from kbm.errors import ConfigError, NotificationFailed
from kbm.ports import Notifier
from kbm.providers.mail import Mail
from kbm.providers.webhook import LONGEST_PAUSE_S, Webhook
from kbm.sections import ReportSection
from kbm.testing.contracts.notifier import REPORT, NotifierContract
from tests.integration.receivers import Answer, Hook, Mailbox, serving

HERE = Path("/nowhere")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    server = Mailbox()
    with serving(server):
        yield server


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    with serving(server):
        yield server


def mail(url: str, **keys: Any) -> Mail:  # Any: keys of [report]
    section = ReportSection(smtp=url, mail_to=("anna@test.example", "it@test.example"), **keys)
    return Mail(section.model_dump(), HERE)


def text_of(mailbox: Mailbox, at: int = 0, kind: str = "plain") -> str:
    part = mailbox.messages[at].get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


class Paused(list[float]):
    """Notes how long a notifier would have waited."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def webhook(url: str, paused: Paused | None = None, timeout_s: float = 5.0) -> Webhook:
    settings = ReportSection(webhook=url).model_dump()
    return Webhook(settings, HERE, pause=paused if paused is not None else Paused(), timeout_s=timeout_s)


class TestMail(NotifierContract):
    @pytest.fixture
    def notifier(self, mailbox: Mailbox) -> Notifier:
        return mail(mailbox.url)

    @pytest.fixture
    def received(self, mailbox: Mailbox) -> Callable[[], list[str]]:
        return lambda: [
            f"{mailbox.messages[at]['Subject']}\n{text_of(mailbox, at)}"
            for at in range(len(mailbox.messages))
        ]

    @pytest.fixture
    def unreachable(self) -> Notifier:
        return mail("smtp://127.0.0.1:1")


class TestWebhook(NotifierContract):
    @pytest.fixture
    def notifier(self, hook: Hook) -> Notifier:
        return webhook(hook.url)

    @pytest.fixture
    def received(self, hook: Hook) -> Callable[[], list[str]]:
        return lambda: [body["text"] for body in hook.bodies]

    @pytest.fixture
    def unreachable(self) -> Notifier:
        return webhook("http://127.0.0.1:1/")


def test_a_mail_holds_text_and_html_and_says_that_a_machine_wrote_it(mailbox: Mailbox) -> None:
    mail(mailbox.url).send(REPORT)

    [message] = mailbox.messages
    assert text_of(mailbox) == REPORT.markdown
    assert text_of(mailbox, kind="html") == REPORT.html
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "de"
    assert mailbox.recipients == [["anna@test.example", "it@test.example"]]


def test_the_same_report_has_the_same_message_id(mailbox: Mailbox) -> None:
    mail(mailbox.url).send(REPORT)
    mail(mailbox.url).send(REPORT)

    assert len({one["Message-ID"] for one in mailbox.messages}) == 1


def test_a_password_is_read_from_its_variable_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Mailbox(login=("kbm", "tr0ub4dor"))
    sender = mail(server.url, smtp_user="kbm", smtp_password="env:KBM_TEST_SMTP")
    monkeypatch.setenv("KBM_TEST_SMTP", "tr0ub4dor")
    with serving(server):
        sender.send(REPORT)

    assert len(server.messages) == 1


def test_a_wrong_password_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Mailbox(login=("kbm", "right"))
    monkeypatch.setenv("KBM_TEST_SMTP", "wr0ng-one")
    with serving(server), pytest.raises(NotificationFailed, match="535") as failed:
        mail(server.url, smtp_user="kbm", smtp_password="env:KBM_TEST_SMTP").send(REPORT)

    assert "wr0ng-one" not in str(failed.value)


def test_a_password_that_is_not_there_is_named_by_its_key(mailbox: Mailbox) -> None:
    with pytest.raises(ConfigError, match=r"report\.smtp_password: the variable KBM_TEST_NOT_SET"):
        mail(mailbox.url, smtp_user="kbm", smtp_password="env:KBM_TEST_NOT_SET").send(REPORT)

    assert mailbox.messages == []


def test_one_refused_address_is_told_and_the_others_get_their_mail(mailbox: Mailbox) -> None:
    mailbox.refused = {"it@test.example"}
    with pytest.raises(NotificationFailed, match=r"not for it@test\.example"):
        mail(mailbox.url).send(REPORT)

    assert mailbox.recipients == [["anna@test.example"]]


def test_a_subject_of_two_lines_cannot_add_a_header(mailbox: Mailbox) -> None:
    mail(mailbox.url).send(replace(REPORT, subject="night\r\nBcc: eve@test.example"))

    assert mailbox.messages[0]["Bcc"] is None
    assert mailbox.messages[0]["Subject"] == "night Bcc: eve@test.example"


def test_an_address_with_a_line_break_is_a_fault_of_the_settings(mailbox: Mailbox) -> None:
    section = ReportSection(smtp=mailbox.url, mail_to=("a@test.example\r\nBcc: eve@test.example",))
    with pytest.raises(ConfigError, match="no mail address"):
        Mail(section.model_dump(), HERE).send(REPORT)


def test_a_name_in_the_address_of_the_server_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigError) as refused:
        mail("smtp://kbm:s3cret@127.0.0.1")

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_webhook_is_tried_again_where_that_may_help(hook: Hook, status: int) -> None:
    hook.answers = [Answer(status), Answer(status)]
    paused = Paused()
    webhook(hook.url, paused).send(REPORT)

    assert len(hook.bodies) == 3
    assert paused == [2.0, 8.0]
    assert set(hook.ids) == {REPORT.id}


def test_a_webhook_is_given_up_after_three_tries(hook: Hook) -> None:
    hook.answers = [Answer(500)] * 5
    with pytest.raises(NotificationFailed, match="it answered 500; tries: 3"):
        webhook(hook.url).send(REPORT)

    assert len(hook.bodies) == 3


def test_retry_after_in_seconds_is_honoured(hook: Hook) -> None:
    hook.answers = [Answer(429, {"Retry-After": "7"})]
    paused = Paused()
    webhook(hook.url, paused).send(REPORT)

    assert paused == [7.0]


def test_retry_after_as_a_date_is_honoured(hook: Hook) -> None:
    then = datetime.now(UTC) + timedelta(seconds=40)
    hook.answers = [Answer(503, {"Retry-After": format_datetime(then, usegmt=True)})]
    paused = Paused()
    webhook(hook.url, paused).send(REPORT)

    assert len(paused) == 1
    assert 30 < paused[0] <= 40


@pytest.mark.parametrize("asked", ["soon", "", "-3", "Fri, 99 Foo"])
def test_a_retry_after_that_says_nothing_is_passed_over(hook: Hook, asked: str) -> None:
    hook.answers = [Answer(429, {"Retry-After": asked})]
    paused = Paused()
    webhook(hook.url, paused).send(REPORT)

    assert paused == [2.0]


def test_a_receiver_that_asks_for_hours_does_not_hold_the_night(hook: Hook) -> None:
    hook.answers = [Answer(429, {"Retry-After": "86400"})]
    paused = Paused()
    with pytest.raises(NotificationFailed, match="asks to wait 86400 s"):
        webhook(hook.url, paused).send(REPORT)

    assert paused == []
    assert LONGEST_PAUSE_S < 86400


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_not_repeated(hook: Hook, status: int) -> None:
    hook.answers = [Answer(status)]
    with pytest.raises(NotificationFailed, match=f"it answered {status}"):
        webhook(hook.url).send(REPORT)

    assert len(hook.bodies) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(hook: Hook, status: int) -> None:
    hook.answers = [Answer(status, {"Location": hook.url.replace("hooks", "elsewhere")})]
    with pytest.raises(NotificationFailed, match="redirects are not followed"):
        webhook(hook.url).send(REPORT)

    assert hook.paths == ["/hooks/s3cret-part"]


def test_a_receiver_that_does_not_answer_is_not_waited_for(hook: Hook) -> None:
    hook.answers = [Answer(after_s=1.0)] * 3
    with pytest.raises(NotificationFailed, match=r"no answer within 0\.1 s; tries: 3"):
        webhook(hook.url, timeout_s=0.1).send(REPORT)


@pytest.mark.parametrize("answer", [Answer(500), Answer(404), Answer(302)])
def test_only_the_host_of_a_webhook_is_named(hook: Hook, answer: Answer) -> None:
    hook.answers = [answer] * 3
    with pytest.raises(NotificationFailed, match=r"127\.0\.0\.1") as failed:
        webhook(hook.url).send(REPORT)

    assert "s3cret-part" not in str(failed.value)
