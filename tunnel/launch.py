"""Starts one program that ends when its parent does; run as a file, with the standard library alone.

``launch.py PARENT-PID PROGRAM ARGUMENT...`` asks the kernel for a SIGTERM at the parent's death
(PR_SET_PDEATHSIG in prctl(2)) and becomes the program. A step of its own, since Python cannot safely run code
between fork and exec in a process that has threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the program. Ends with status 127 where it cannot be run, 1 where the parent is gone already."""
    parent, program = int(arguments[0]), arguments[1]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and the program would inherit that
    try:
        os.execv(program, arguments[1:])  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"{program} cannot be run: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
