"""The reference page of the command line, made from the application itself."""

from __future__ import annotations

from typing import Any

import typer

from kbm.entrypoints.cli.main import app as command_line
from tools.markdown import HEAD, page, table


def commands() -> str:
    """Describe every command."""
    group: Any = typer.main.get_command(command_line)  # Any: typer's classes differ between its versions
    codes = sorted(
        {
            (0, "done"),
            (1, "failed, or some of it failed; what was finished is kept"),
            (2, "the request or the settings cannot be used"),
            (3, "a part waits for a person; live is unchanged"),
            (75, "busy: another process works on this data folder"),
            (130, "interrupted; run the same command again to go on"),
        }
    )
    parts = [
        HEAD.format(source="kbm/entrypoints/cli"),
        "# Commands",
        group.help,
        "Results go to stdout, progress and remarks to stderr. With `--json` an error is a JSON object too: "
        '`{"error": {"code", "detail", "hint"}}`; [errors.md](errors.md) lists the codes. Running a command again is '
        "always safe.",
        "## Exit codes",
        table(("code", "meaning"), [(str(code), said) for code, said in codes]),
        "## For every command",
        "These stand before the command's name: `kbm --config FILE check`.",
        _options(group),
    ]
    for name, command in group.commands.items():
        parts += _command(f"kbm {name}", command)
    return page(parts)


def _command(name: str, command: Any) -> list[str]:
    arguments = [one for one in command.params if not _is_option(one)]
    usage = " ".join([name, *(_metavar(one) for one in arguments)])
    if any(_is_option(one) for one in command.params):
        usage += " [OPTIONS]"
    children = getattr(command, "commands", {})
    parts = [f"## `{name}`", command.help]
    if not children or command.invoke_without_command:
        parts.append(f"```\n{usage}\n```")
        if arguments:
            parts.append(table(("argument", "meaning"), [(_metavar(one), _told(one)) for one in arguments]))
        parts.append(_options(command))
    for child, inner in children.items():
        parts += _command(f"{name} {child}", inner)
    return parts


def _options(command: Any) -> str:
    rows = []
    for one in command.params:
        if _is_option(one):
            value = "" if one.is_flag else f" {_metavar(one)}"
            rows.append((", ".join(f"`{spelled}{value}`" for spelled in one.opts), _told(one)))
    return table(("option", "meaning"), rows) if rows else ""


def _is_option(parameter: Any) -> bool:
    return bool(parameter.opts[0].startswith("-"))


def _metavar(parameter: Any) -> str:
    name: str = parameter.metavar or parameter.name.upper()
    if _is_option(parameter) or name.startswith("["):
        return name
    many = "…" if parameter.nargs == -1 else ""
    return f"{name}{many}" if parameter.required else f"[{name}]{many}"


def _told(parameter: Any) -> str:
    said = [parameter.help or ""]
    if getattr(parameter, "multiple", False):
        said.append("May be given several times.")
    if parameter.default not in (None, False, "") and "efault" not in said[0]:
        said.append(f"Default: `{parameter.default}`.")
    return " ".join(said)
