"""What is imported only when somebody needs it: the MCP SDK takes a second."""

from __future__ import annotations

import subprocess
import sys


def test_the_application_is_made_without_the_mcp_sdk_and_without_a_chat_library() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, kbm.entrypoints.api.app; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert not {"mcp", "mcp_types", "openai", "llama_index"} & set(told.stdout.split())
