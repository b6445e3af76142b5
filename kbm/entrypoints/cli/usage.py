"""How the command line tells that a command was typed wrong: in words, or as JSON to who asked for JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from typer._click.exceptions import (
    ClickException,  # typer carries its own click and exports no base of its errors
)
from typer.core import TyperGroup

from kbm.entrypoints.cli.render import print_json


class Commands(TyperGroup):
    """The commands of kbm."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **named: Any) -> Any:
        """Run a command; Any as typer has it."""
        given = list(sys.argv[1:] if args is None else args)
        if "--json" not in given or not named.get("standalone_mode", True):
            return super().main(args, *more, **named)
        try:
            code = super().main(given, *more, **{**named, "standalone_mode": False})
        except ClickException as error:
            context = getattr(error, "ctx", None)
            hint = f"see {context.command_path} --help" if context else "see kbm --help"
            print_json({"error": {"code": "usage", "detail": error.format_message(), "hint": hint}})
            sys.exit(error.exit_code)
        sys.exit(code if isinstance(code, int) else 0)
