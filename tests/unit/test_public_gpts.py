"""A GPT may be public only where everyone may read all of its sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbm.config import load_settings
from kbm.errors import ConfigError
from kbm.testing.builders import ONE_FOLDER_TOML

PUBLIC_TOML = ONE_FOLDER_TOML.replace('title = "Helper"', 'title = "Helper"\npublic = true')


def test_a_gpt_over_sources_that_everyone_may_read_may_be_public(tmp_path: Path) -> None:
    file = tmp_path / "kbm.toml"
    file.write_text(PUBLIC_TOML)

    assert load_settings(file).gpts["helper"].public
    file.write_text(ONE_FOLDER_TOML)
    assert not load_settings(file).gpts["helper"].public


@pytest.mark.parametrize("readers", ['["group:hr"]', '["everyone", "group:hr"]', "[]"])
def test_one_over_anything_else_is_refused_and_the_source_is_named(tmp_path: Path, readers: str) -> None:
    file = tmp_path / "kbm.toml"
    file.write_text(PUBLIC_TOML.replace('["everyone"]', readers))

    with pytest.raises(ConfigError, match=r"gpts.helper.public: .* docs; set readers"):
        load_settings(file)
