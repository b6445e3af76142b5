"""Whatever is sent by the description or against it: no fault of ours, and only what the description says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any  # schemathesis has types, but none that stay from one version to the next

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from kbm.entrypoints.api.app import create_app
from kbm.testing.builders import kbm_over
from kbm.testing.fakes import FakeConnector, NoProgress
from tests.e2e.served import served

schemathesis: Any = import_module("schemathesis")
_ours: Any = import_module("schemathesis.checks")
_openapi: Any = import_module("schemathesis.specs.openapi.checks")
CHECKS = [
    _ours.not_a_server_error,
    _openapi.status_code_conformance,
    _openapi.response_schema_conformance,
    _openapi.content_type_conformance,
]

PAGES = {
    "leave.txt": "Employees get 30 days of leave a year.",
    "press.txt": "The press KB 40 holds 40 tons. It weighs 900 kilograms.",
}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    with kbm_over(folder, FakeConnector(items=dict(PAGES))) as kbm:
        kbm.sync.run(kbm.source_to_sync("docs"), NoProgress())
        kbm.build.run(kbm.gpt_to_build("helper"), NoProgress())
        kbm.publish.run("helper", "1.0.0", who="anna", why="test")
        with served(create_app(kbm)) as url:
            yield schemathesis.openapi.from_url(f"{url}/openapi.json")


def _statuses(described: Any, n: int) -> Counter[int]:
    """Send *n* requests to each operation, some by the description and some against it; count what came back."""
    seen: Counter[int] = Counter()
    for found in described.get_all_operations():
        operation = found.ok()
        for mode in ("positive", "negative"):
            strategy = operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))

            @settings(
                max_examples=n // 2,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=strategy)
            def send(case: Any) -> None:
                seen[case.call_and_validate(checks=CHECKS).status_code] += 1

            with suppress(Unsatisfiable):  # an operation without parameters cannot be called wrongly
                send()
    return seen


def test_whatever_is_sent_it_is_answered_as_described(described: Any) -> None:
    seen = _statuses(described, 16)

    assert {200, 404, 422} <= seen.keys()
    assert seen.total() > 60


@pytest.mark.slow
def test_whatever_is_sent_for_minutes_it_is_answered_as_described(described: Any) -> None:
    assert _statuses(described, 300).total() > 1_000
