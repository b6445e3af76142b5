"""The company of ``tests/property``, for much longer; seeds are fixed and named."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.test_company_machine import Company

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_a_company_holds_what_the_model_says_for_ten_thousand_steps(n: int) -> None:
    run_state_machine_as_test(
        seed(n)(type("Company", (Company,), {})),
        settings=settings(
            max_examples=50,
            stateful_step_count=50,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
