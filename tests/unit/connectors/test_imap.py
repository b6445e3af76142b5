"""What the connector ``imap`` does beyond the contract: faults at every command, moves, names that collide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kbm_connectors.imap import ImapConnector

from kbm.domain.sync import Event, Mark, Ref, SyncPlan
from kbm.errors import ConfigError, ConnectorError, ConnectorRefused, ConnectorUnavailable
from tests.unit.connectors.core import Core
from tests.unit.connectors.fake_imap import PASSWORD, FakeImap

FOLDERS = {"folders": ["INBOX", "Wissen*"]}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[FakeImap]:
    box = FakeImap(tmp_path)
    for n in range(4):
        box.put("INBOX", f"{n}@x", f"Text {n}")
    box.put("Wissen", "9@x", "Text 9")
    yield box
    box.close()


@pytest.mark.parametrize("fault", ["broken off", "no", "nonsense", "half", "empty"])
def test_no_fault_at_any_command_deletes_a_mail(box: FakeImap, fault: str) -> None:
    core = Core()
    core.sync(box.connect(**FOLDERS))
    box.n_commands = 0
    list(box.connect(**FOLDERS).scan(None))
    commands = box.commands[-box.n_commands :]

    box.fault = fault
    last = len(commands) - 1 - commands[::-1].index("UID")
    for n in range(last + 1):
        box.n_commands, box.fault_from = 0, n
        events: list[Event] = []
        with pytest.raises(ConnectorError) as told:
            events.extend(box.connect(**FOLDERS).scan(None))

        assert not any(isinstance(event, Mark) for event in events)
        assert PASSWORD not in f"{told.value}{told.value.hint}"


def test_a_connection_that_breaks_off_once_is_made_anew(box: FakeImap) -> None:
    connector = box.connect()
    refs = [event for event in connector.scan(None) if isinstance(event, Ref)]
    assert connector._session is not None
    connector._session.sock.close()

    assert b"Text 0" in connector.fetch(refs[0]).data


def test_a_mail_that_is_moved_stays_the_same_document(box: FakeImap) -> None:
    core = Core()
    core.sync(box.connect(**FOLDERS))
    box.take("INBOX", "1@x")
    box.put("Wissen", "1@x", "Text 1")

    assert _plan(core, box) == ((), ("1@x",), ())
    assert core.known["1@x"].scope == "Wissen"


def test_a_mailbox_that_was_rebuilt_deletes_nothing(box: FakeImap) -> None:
    core = Core()
    core.sync(box.connect(**FOLDERS))
    box.validity["INBOX"] = 8

    assert _plan(core, box) == ((), ("0@x", "1@x", "2@x", "3@x"), ())


def test_a_mail_whose_number_is_of_another_time_is_not_fetched(box: FakeImap) -> None:
    ref = next(event for event in box.connect().scan(None) if isinstance(event, Ref))
    box.validity["INBOX"] = 8

    with pytest.raises(ConnectorUnavailable, match="not where it was listed"):
        box.connect().fetch(ref)


def test_a_copy_is_one_document_and_a_forgery_is_another(box: FakeImap) -> None:
    core = Core()
    core.sync(box.connect(**FOLDERS))
    box.put("Wissen", "1@x", "Text 1")
    box.put("Wissen", "2@x", "Eine ganz andere Auskunft")

    assert _plan(core, box) == (("2@x#2",), (), ())
    assert core.holds("Text 2") == core.holds("ganz andere") == 1


def test_a_mail_marked_as_deleted_has_gone(box: FakeImap) -> None:
    core = Core()
    core.sync(box.connect(**FOLDERS))
    box.folders["INBOX"][2].flags = r"\Seen \Deleted"

    assert _plan(core, box) == ((), (), ("2@x",))


def test_a_folder_that_is_closed_or_missing_keeps_its_mails(box: FakeImap) -> None:
    core = Core()
    core.sync(box.connect(**FOLDERS))
    box.closed = frozenset({"Wissen"})

    plan = core.sync(box.connect(**FOLDERS))
    assert (plan.failed_scopes, plan.removed) == (("Wissen",), ())
    plan = core.sync(box.connect(folders=["INBOX", "Wisssen", "Wissen"]))
    assert (plan.failed_scopes, plan.removed) == (("Wissen", "Wisssen"), ())
    with pytest.raises(ConnectorRefused, match="none of the folders") as told:
        core.sync(box.connect(folders=["Wisssen"]))
    assert told.value.hint == "there is: INBOX, Wissen"


def test_a_mail_without_a_name_is_named_by_its_number(box: FakeImap) -> None:
    uid = box.put("INBOX", "", "Namenlos")

    assert f"INBOX/7.{uid}" in [event.id for event in box.connect().scan(None) if isinstance(event, Ref)]


def test_a_hostile_name_is_no_path(box: FakeImap) -> None:
    box.put("INBOX", "../a/attachments/ü " + "x" * 500, "Text")

    (id,) = (e.id for e in box.connect().scan(None) if isinstance(e, Ref) and e.id.startswith(".."))

    assert "/" not in id
    assert len(id) < 230


def test_attributes_after_the_text_are_read_too(box: FakeImap) -> None:
    before = [event for event in box.connect(**FOLDERS).scan(None) if isinstance(event, Ref)]
    box.attributes_last = True

    connector = box.connect(**FOLDERS)
    assert [event for event in connector.scan(None) if isinstance(event, Ref)] == before
    assert b"Text 0" in connector.fetch(before[0]).data


def test_folders_are_named_as_people_write_them(box: FakeImap) -> None:
    box.put("Gr&APYA3w-en &- mehr", "10@x", "Text")

    (ref,) = (e for e in box.connect(folders=["Größen & mehr"]).scan(None) if isinstance(e, Ref))

    assert ref.scope == "Größen & mehr"


def test_a_wrong_password_is_told_without_it(box: FakeImap) -> None:
    box.said_at_login = "[AUTHENTICATIONFAILED] an0ther is wrong"
    connector = box.connect()
    (box.root / "password").write_text("an0ther")

    with pytest.raises(ConnectorRefused, match="does not log kbm in") as told:
        list(connector.scan(None))
    (problem,) = connector.check()
    assert "an0ther" not in f"{told.value}{told.value.hint}{problem}"
    box.said_at_login = "[UNAVAILABLE] Temporary authentication failure."
    with pytest.raises(ConnectorUnavailable):
        list(connector.scan(None))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "mail.example.com"}, "write imaps://HOST"),
        ({"url": "imaps://kbm:pa55word@mail.example.com"}, "give the server alone"),
        ({"url": "imap://mail.example.com", "encryption": "none"}, "cross the Internet in clear"),
        ({"password": "pa55word"}, "a secret is named, never written here"),
        ({"folder": "INBOX"}, "unknown key"),
    ],
)
def test_settings_that_cannot_be_used_are_told(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    usable = {"url": "imaps://mail.example.com", "user": "kbm", "password": "env:MAIL"}

    with pytest.raises(ConfigError, match=said) as told:
        ImapConnector("mail", {**usable, **settings}, tmp_path)
    assert "pa55word" not in f"{told.value}{told.value.hint}"


def _plan(core: Core, box: FakeImap) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    plan: SyncPlan = core.sync(box.connect(**FOLDERS))
    return plan.added, plan.changed, plan.removed
