"""How sources stand, over HTTP: what the command line tells, for keys that may see it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kbm.bootstrap import Kbm
from kbm.domain.access import Action, Rights
from kbm.entrypoints.api.app import create_app
from kbm.entrypoints.source_json import sources_json
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress


@pytest.fixture
def connector() -> FakeConnector:
    made = FakeConnector()
    for at in range(3):
        made.items[f"{at}.txt"] = f"Machine {at} weighs {at * 7} tons and stands in hall {at * 3}."
    return made


@pytest.fixture
def kbm(tmp_path: Path, connector: FakeConnector) -> Iterator[Kbm]:
    both = {"docs": connector, "wiki": FakeConnector()}
    with kbm_over(tmp_path, both, gpts={"helper": ["docs"], "other": ["wiki"]}) as made:
        yield made


def asked(kbm: Kbm, rights: Rights | None = None) -> tuple[int, dict[str, Any]]:
    headers = {}
    if rights is not None:
        headers["Authorization"] = f"Bearer {kbm.keys.create('it', rights, valid_for=None, who='anna').token}"
    with TestClient(create_app(kbm)) as client:
        answer = client.get("/v1/sources", headers=headers)
    return answer.status_code, answer.json()


def synced(kbm: Kbm) -> None:
    kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())


def test_the_service_tells_what_the_command_line_tells(kbm: Kbm, connector: FakeConnector) -> None:
    synced(kbm)
    connector.items["broken.pdf"] = "%PDF-1.7 broken"
    connector.failed = ["hr"]
    synced(kbm)
    status, told = asked(kbm)
    shown = told["sources"][0]
    expected = sources_json(kbm, kbm.catalogue.documents.quarantine())[0]

    assert status == 200
    assert shown.keys() == expected.keys()
    assert {key: value for key, value in shown.items() if not key.endswith("_at")} == json.loads(
        json.dumps({key: value for key, value in expected.items() if not key.endswith("_at")})
    )
    assert shown["documents"] == 4
    assert shown["quarantined"] == sum(shown["quarantined_because"].values()) == 1
    assert shown["failed_scopes"] == ["hr"]
    assert shown["synced_at"]


def test_counts_of_documents_are_for_keys_that_name_them(kbm: Kbm) -> None:
    usual, _ = asked(kbm, Rights())
    watching, _ = asked(kbm, Rights(actions=frozenset({Action.METRICS, Action.REVIEW})))
    allowed, _ = asked(kbm, Rights(actions=frozenset({Action.SOURCES})))
    nobody, _ = asked(kbm)

    assert (usual, watching, allowed, nobody) == (403, 403, 200, 401)


def test_a_key_for_certain_assistants_sees_their_sources_alone(kbm: Kbm) -> None:
    _, mine = asked(kbm, Rights(actions=frozenset({Action.SOURCES}), gpts=frozenset({"other"})))
    _, whole = asked(kbm, Rights(actions=frozenset({Action.SOURCES})))

    assert [one["source"] for one in mine["sources"]] == ["wiki"]
    assert [one["source"] for one in whole["sources"]] == ["docs", "wiki"]
