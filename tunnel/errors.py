"""The one error of the tunnel: something to put right, said in words."""

from __future__ import annotations


class TunnelError(Exception):
    """A setting, a file or a program that cannot be used; the message says which, why and what to do."""
