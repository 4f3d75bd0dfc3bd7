"""The group of all commands, and how every one of them ends."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable, Sequence

import click

from pacs import __version__
from pacs.cli import index, peer, query, rebuild, serve, settings, verify
from pacs.errors import InvalidInput, PacsError

DONE, FAILED, USED_WRONGLY, INTERRUPTED = 0, 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="pacs", message="%(prog)s %(version)s")
def pacs() -> None:
    """A PACS: stores, indexes, finds and sends DICOM instances.

    Start one with 'pacs serve'; everything that it keeps lies in one folder (--data, by default var/pacs).
    Every option is also an environment variable: --dimse-port is PACS_DIMSE_PORT.

    Exit codes: 0 done, 1 failed, 2 used wrongly, 130 interrupted.
    """


for command in (
    serve.command,
    index.command,
    query.command,
    peer.command,
    rebuild.command,
    verify.command,
    settings.command,
):
    pacs.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` (by default the process's) name; the exit code."""
    # Objects, index and journal hold what patients' data hold: nothing of it is for every user of the host.
    os.umask(0o027)
    try:
        result = pacs.main(arguments, prog_name="pacs", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        return _end(f"{_words(error)}{_hint(error)}", USED_WRONGLY)
    except click.ClickException as error:
        return _end(error.format_message(), FAILED)
    except InvalidInput as error:
        return _end(str(error), USED_WRONGLY)
    except PacsError as error:
        return _end(str(error), FAILED)
    except (click.Abort, KeyboardInterrupt):
        return _end("Interrupted.", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough. The interpreter would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        return _end(f"{error.strerror or error}{place}", FAILED)
    return result if isinstance(result, int) else DONE


def _end(words: str, code: int) -> int:
    line = " ".join(words.split())
    click.echo(f"pacs: {line}{'' if line.endswith(('.', '!', '?')) else '.'}", err=True)
    return code


def _words(error: click.UsageError) -> str:
    """What is wrong; for an unknown option or command always with the nearest known one."""
    if error.ctx is None:
        return error.format_message()
    if isinstance(error, click.NoSuchOption):
        known = [name for parameter in error.ctx.command.params for name in parameter.opts]
        return f"There is no option {error.option_name}; the nearest is {_nearest(error.option_name, known)}."
    given = [name for name in error.ctx.args if not name.startswith("-")]
    if isinstance(error.ctx.command, click.Group) and "No such command" in error.format_message():
        name = error.format_message().split("'")[1] if "'" in error.format_message() else "".join(given)
        return f"There is no command {name!r}; the nearest is {_nearest(name, error.ctx.command.commands)!r}."
    return error.format_message()


def _hint(error: click.UsageError) -> str:
    return f" See '{error.ctx.command_path} --help'." if error.ctx else ""


def _nearest(name: str, known: Iterable[str]) -> str:
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0)[0]
