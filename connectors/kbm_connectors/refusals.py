"""How a file that cannot be used is told: its name, the line, what is wrong and what to change.

Values never appear, since a column may be masked, and neither does the text of a library, which may hold one.
"""

from __future__ import annotations

from pathlib import Path

from kbm.errors import ConnectorError, ConnectorRefused, ConnectorUnavailable

RIGHTS_HINT = "give the user kbm runs as the right to read it"


def refused(
    place: Path | str, why: str, line: int = 0, hint: str = "", *, unit: str = "line"
) -> ConnectorRefused:
    """Make the error for a file or a view that does not fit its profile; lines count from 1."""
    name = place if isinstance(place, str) else place.name
    where = f"{name}, {unit} {line}" if line else name
    return ConnectorRefused(f"{where}: {why}", hint=hint)


def unreadable(path: Path, error: OSError) -> ConnectorError:
    """Make the error for a file the system does not hand out."""
    why = f"{path.name}: cannot be read: {(error.strerror or type(error).__name__).lower()}"
    if isinstance(error, PermissionError):
        return ConnectorRefused(why, hint=RIGHTS_HINT)
    return ConnectorUnavailable(why)
