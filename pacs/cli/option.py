"""Options of commands, made from the table of settings."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from pacs import logs, settings
from pacs.settings import BY_NAME, Effective, Setting

Command = Callable[..., int | None]


def takes_settings(*names: str, quiet: bool = True) -> Callable[[Command], Command]:
    """Give a command the options ``names``; its first argument are the effective settings.

    ``quiet``: log warnings only, as the command tells what it does in other ways.
    """

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def run(**values: Any) -> int | None:
            flags = {name: values.pop(BY_NAME[name].field) for name in names}
            effective = settings.load(flags, os.environ)
            level = effective.settings.log_level
            level = "warning" if quiet and level == "info" else level
            logs.configure(effective.settings.log_format, level, sys.stderr)
            return function(effective, **values)

        command: Command = run
        for name in reversed(names):
            command = _option(BY_NAME[name])(command)
        return command

    return decorate


def _option(setting: Setting) -> Callable[[Command], Command]:
    default = f", by default {setting.default}" if setting.default else ""
    return click.option(
        setting.flag,
        setting.field,
        metavar=setting.kind.metavar,
        help=f"{setting.help} ({setting.kind.unit}{default})",
    )


def effective_text(effective: Effective) -> list[tuple[str, str, str]]:
    """Rows of name, value and origin, in the order of the table."""
    return [(name, effective.texts[name], effective.origins[name]) for name in BY_NAME]
