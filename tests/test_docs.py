from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pacs import __version__
from pacs.cli.command import pacs
from pacs.cli.settings import page
from pacs.settings import BY_NAME

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {"PACS_DIMSE_PORT", "PACS_CONFIG"}


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands(pacs, "pacs"))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_page_of_settings_is_up_to_date() -> None:
    assert read("docs/settings.md") == page(), "run make docs"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_has_help_and_an_example(path: str) -> None:
    command = COMMANDS[path]
    assert command.help
    assert path in command.help, "an example"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_is_named_in_the_readme(path: str) -> None:
    readme = re.sub(r"`pacs peer ([a-z\\|]+)`", _alternatives, read("README.md"))
    assert path in readme


def _alternatives(match: re.Match[str]) -> str:
    return " ".join(f"pacs peer {name}" for name in match[1].replace("\\", "").split("|"))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_is_a_setting_or_named_in_the_command_s_own_words(path: str) -> None:
    documents = read("README.md") + (COMMANDS[path].help or "") + read("docs/settings.md")
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option):
            (option, *_) = parameter.opts
            assert option.removeprefix("--") in BY_NAME or option in documents, option


@pytest.mark.parametrize(
    "name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "CONFORMANCE.md"]
)
def test_links_between_documents_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", read(name)):
        assert (ROOT / target).exists(), target


def test_the_folders_that_the_architecture_names_are_there() -> None:
    block = read("ARCHITECTURE.md").split("## Folders and layers")[1].split("Imports go one way")[0]
    names = re.findall(r"^ {6,}([a-z]+(?:/|\.py)) ", block, re.MULTILINE)
    assert names
    for name in names:
        assert (ROOT / "pacs" / name).exists(), name


def test_the_layers_that_the_documents_name_are_those_that_are_checked() -> None:
    checked = read("pyproject.toml").split("layers = [")[1].split("]")[0]
    layers = [re.sub(r"pacs\.", "", line).split(" | ") for line in re.findall(r'"([^"]+)"', checked)]
    drawn = next(line for line in read("ARCHITECTURE.md").splitlines() if line.strip().startswith("cli →"))
    named = [part.strip().strip("{}").split(", ") for part in drawn.strip().split("→")]
    assert [sorted(layer) for layer in named] == [sorted(set(layer) - {"conformance"}) for layer in layers]


def test_the_changelog_has_the_version_or_says_unreleased() -> None:
    changelog = read("CHANGELOG.md")
    assert f"## [{__version__}]" in changelog or "## [Unreleased]" in changelog


def test_the_makefile_has_ten_verbs_at_most_each_with_help() -> None:
    makefile = read("Makefile")
    verbs = makefile.split(".PHONY: ")[1].splitlines()[0].split()
    assert len(verbs) <= 10
    for verb in verbs:
        assert re.search(rf"^{verb}:.*## ", makefile, re.MULTILINE), verb
