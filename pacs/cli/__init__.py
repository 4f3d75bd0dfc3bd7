"""The command line: one module a command; what they share is here and in ``option.py`` and ``output.py``.

Exit codes: 0 done, 1 failed, 2 used wrongly, 130 interrupted. A failure is one line on standard error that
says what happened and what to do; a traceback is a bug.
"""

from pacs.cli.command import main

__all__ = ["main"]
