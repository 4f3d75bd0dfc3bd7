"""A Dockerfile's instructions by stage, as far as rules about them need."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """One FROM and what follows it: instructions in order, as (word, rest)."""

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        return [rest for found, rest in self.instructions if found == word]

    def last(self, word: str) -> str:
        found = self.all(word)
        return found[-1] if found else ""


def stages(path: Path) -> list[Stage]:
    """The stages of the Dockerfile ``path``."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found: list[Stage] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word.upper() == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(base.split()[-1], name.strip()))
        else:
            found[-1].instructions.append((word.upper(), rest.strip()))
    return found


def is_exec_form(command: str) -> bool:
    """Whether the command is a JSON list of texts, run without a shell."""
    try:
        words = json.loads(command)
    except ValueError:
        return False
    return isinstance(words, list) and bool(words) and all(isinstance(word, str) for word in words)
