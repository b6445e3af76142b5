"""Cells of a workbook read as their author sees them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kbm_connectors.number_format import Cell, shown


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (None, "General", ""),
        ("000123", "General", "000123"),
        ("text", "@", "text"),
        (42, "General", "42"),
        (4006381333931, "General", "4006381333931"),
        (12.0, "General", "12"),
        (12.000000001, "General", "12"),
        (0.1 + 0.2, "General", "0.3"),
        (1234.5, "General", "1234.5"),
        (123456789.55, "General", "123456789.55"),
        (12345678901.5, "General", "12345678901.5"),
        (0.000000005, "General", "0.000000005"),
        (0.123456789, "General", "0.123456789"),
        (1e21, "General", "1000000000000000000000"),
        (-7, "General", "-7"),
        (123, "000000", "000123"),
        (0, "000", "000"),
        (12.5, "0.00", "12.50"),
        (2.675, "0.00", "2.68"),
        (1.005, "0.00", "1.01"),
        (-0.001, "0.00", "0.00"),
        (1234567.5, "#,##0.00", "1,234,567.50"),
        (0.5, "#,##0.00", "0.50"),
        (0.5, "#.##", ".5"),
        (12.0, "0.##", "12"),
        (1234.5, '#,##0.00 "EUR"', "1,234.50 EUR"),
        (1234.5, "#,##0.00\\ [$€-407]", "1,234.50 €"),
        (1234.5, "[$£-809]#,##0.00", "£1,234.50"),
        (1234.5, "$#,##0.00", "$1,234.50"),
        (1234.5, '_-* #,##0.00 "€"_-;-* #,##0.00 "€"_-;_-* "-"?? "€"_-;_-@_-', "1,234.50 €"),
        (-1234.5, '_-* #,##0.00 "€"_-;-* #,##0.00 "€"_-;_-* "-"?? "€"_-;_-@_-', "-1,234.50 €"),
        (-5, "0;[Red](0)", "(5)"),
        (-5, "0.0;[Red]-0.0", "-5.0"),
        (0, '0;-0;"-"', "-"),
        (5, '0 "a;b"', "5 a;b"),
        (0.19, "0%", "19%"),
        (0.075, "0.0 %", "7.5 %"),
        (1500000, "0.0,,", "1.5"),
        (1500000, "#,##0,", "1,500"),
        (123456, "000-000", "123-456"),
        (7, "[<10]0;0.0", "7"),
        (0.5, "# ?/?", "0.5"),
        (1234.5, "0.00E+00", "1234.5"),
        (True, "General", "TRUE"),
        (False, "0", "FALSE"),
        (datetime(2026, 11, 23), "dd.mm.yyyy", "23.11.2026"),
        (datetime(2026, 11, 3), "d.m.yy", "3.11.26"),
        (datetime(2026, 11, 23), "yyyy-mm-dd", "2026-11-23"),
        (datetime(2026, 11, 23), "dd/mm/yyyy", "23/11/2026"),
        (datetime(2026, 11, 23), "mm-dd-yy", "2026-11-23"),
        (datetime(2026, 11, 23), "d. mmmm yyyy", "2026-11-23"),
        (datetime(2026, 11, 23), "[$-407]dd.mm.yyyy;@", "23.11.2026"),
        (datetime(2026, 11, 23, 14, 5), "dd.mm.yyyy hh:mm", "23.11.2026 14:05"),
        (datetime(2026, 11, 23, 14, 5, 9), "hh:mm:ss", "14:05:09"),
        (datetime(2026, 11, 23, 14, 5), "h:mm AM/PM", "2026-11-23 14:05"),
        (date(2026, 11, 23), 'dd"."mm"."yyyy', "23.11.2026"),
        (time(8, 30), "hh:mm", "08:30"),
        (time(8, 30), "dd.mm.yyyy", "08:30"),
        (timedelta(hours=30, minutes=5), "[h]:mm", "30:05"),
        (timedelta(minutes=-5), "[h]:mm:ss", "-0:05:00"),
    ],
)
def test_shown(value: Cell, form: str, text: str) -> None:
    assert shown(value, form) == text


def test_a_decimal_comma_swaps_both_separators() -> None:
    assert shown(1234567.5, '#,##0.00 "€"', ",") == "1.234.567,50 €"
    assert shown(1.5, "General", ",") == "1,5"


@given(
    value=st.one_of(st.integers(-(10**12), 10**12), st.floats(-1e12, 1e12)),
    form=st.text(alphabet='0#?,.;"\\[]%$€-_* EahmsdyG@/()', max_size=12),
)
def test_no_format_breaks_reading(value: int | float, form: str) -> None:
    assert isinstance(shown(value, form), str)


@given(value=st.decimals(-(10**7), 10**7, places=2))
def test_two_decimals_come_back(value: object) -> None:
    assert float(shown(float(str(value)), "0.00")) == float(str(value))
    assert float(shown(float(str(value)), "General")) == float(str(value))


@given(value=st.datetimes(datetime(1900, 3, 1)), form=st.text(alphabet='ymdhs[]"\\.:/- ;0AMP', max_size=12))
def test_no_format_breaks_a_date(value: datetime, form: str) -> None:
    assert isinstance(shown(value, form), str)
