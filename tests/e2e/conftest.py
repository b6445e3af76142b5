"""One served company for all tests that only ask: building it takes longer than any of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kbm.entrypoints.api.app import create_app
from tests.e2e.doors import Doors, company, key
from tests.e2e.served import served


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """Serve the company of ``doors.py`` where a key is needed; tests make keys of their own."""
    with company(tmp_path_factory.mktemp("company")) as (kbm, docs):
        key(kbm)  # from the first one on the door is shut
        with served(create_app(kbm, hosts={"127.0.0.1", "localhost"})) as url:
            yield Doors(kbm=kbm, docs=docs, url=url)
