"""The settings: one table, one frozen Settings, one place that reads flags, environment and file.

A value comes from the flag (``--dimse-port``), else the environment (``PACS_DIMSE_PORT``), else the TOML
file of ``--config`` (``dimse-port = 11112``), else the table's default. Every ``PACS_*`` variable and every
name in the file must be a setting: an unknown one is refused, never ignored. Only this module reads the
environment, and only it holds defaults; constructors have none. ``docs/settings.md`` is written from the
table.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacs import quantity
from pacs.errors import InvalidInput, InvalidSettings

ENVIRONMENT_PREFIX = "PACS_"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting's text means: how it is written (``metavar``), its unit in words, and its parser.

    The parser raises InvalidInput with the rest of the sentence "<name> must ...".
    """

    metavar: str
    unit: str
    parse: Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table; ``default`` as a user would write it, ``help`` in one or two sentences."""

    name: str
    kind: Kind
    default: str
    help: str

    @property
    def flag(self) -> str:
        """The command line option."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + self.field.upper()

    @property
    def field(self) -> str:
        """The attribute of Settings."""
        return self.name.replace("-", "_")


def _folder(text: str) -> Path:
    if not text:
        raise InvalidInput("must name a folder")
    return Path(text).expanduser()


def _storage(text: str) -> Path | None:
    if "://" in text:
        raise InvalidInput(f"cannot be {text!r} in this version: object storage comes later, name a folder")
    return _folder(text) if text else None


def _file(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def _index(text: str) -> str:
    if text.startswith(("postgresql:", "postgres:")):
        raise InvalidInput("cannot be PostgreSQL in this version: use tantivy or whoosh")
    return quantity.choice("tantivy", "whoosh")(text)


def _auth(text: str) -> str:
    if text in ("password", "alb"):
        raise InvalidInput(
            f"cannot be {text!r} in this version: there is no console yet, health and metrics need no login;"
            " use none"
        )
    return quantity.choice("none")(text)


def _proxy_port(text: str) -> int:
    if text != "0":
        raise InvalidInput("is not available in this version: the PROXY protocol comes later, leave it at 0")
    return 0


def _workers(text: str) -> int:
    if text == "auto":
        return max(1, len(os.sched_getaffinity(0)))
    return quantity.count(text)


FOLDER = Kind("DIR", "folder", _folder)
TEXT = Kind("TEXT", "text", str)
PORT = Kind("N", "TCP port; 0 takes a free one", quantity.port)
COUNT = Kind("N", "count", quantity.count)
BYTES = Kind("BYTES", "bytes; KiB, MiB, GiB may follow", quantity.size)
SECONDS = Kind("SECONDS", "seconds; ms, s, min, h may follow", quantity.seconds)
SWITCH = Kind("yes|no", "yes or no", quantity.switch)


def _one_of(*words: str) -> Kind:
    return Kind("|".join(words), "one of " + ", ".join(words), quantity.choice(*words))


TABLE: tuple[Setting, ...] = (
    Setting("data", FOLDER, "var/pacs", "Everything that the PACS keeps lies under this folder."),
    Setting(
        "config",
        Kind("FILE", "TOML file", _file),
        "",
        "A file with settings, one name = value a line. It may not name another file.",
    ),
    Setting(
        "ae-title",
        Kind("AET", "AE title, 1 to 16 characters", quantity.ae_title),
        "PACS",
        "Our AE title; what RetrieveAETitle answers and what we call ourselves towards peers.",
    ),
    Setting(
        "bind",
        Kind("ADDRESS", "IP address or host name", quantity.address),
        "127.0.0.1",
        "The address that DIMSE and HTTP listen on; 0.0.0.0 is every IPv4 address of the machine.",
    ),
    Setting("dimse-port", PORT, "11112", "The port for DICOM associations."),
    Setting("http-port", PORT, "8080", "The port for /health/live, /health/ready and /metrics."),
    Setting(
        "dimse-proxy-port",
        Kind("N", "TCP port; 0 is off", _proxy_port),
        "0",
        "The port for associations behind a PROXY protocol header; not available in this version.",
    ),
    Setting(
        "index",
        Kind("ENGINE", "tantivy or whoosh", _index),
        "tantivy",
        "The index engine: tantivy, or whoosh where only pure Python is wanted (much slower).",
    ),
    Setting(
        "storage",
        Kind("DIR", "folder", _storage),
        "",
        "Where the objects lie; left empty, it is the folder archive under --data.",
    ),
    Setting(
        "auth",
        Kind("none", "none", _auth),
        "none",
        "Who may use the console. This version has no console yet: health and metrics are open to all.",
    ),
    Setting(
        "workers",
        Kind("N|auto", "processes, or auto", _workers),
        "auto",
        "How many processes serve associations; auto is one a processor, 0 serves all in the main process.",
    ),
    Setting(
        "max-associations",
        COUNT,
        "100",
        "Associations at one time; one more is rejected as a transient shortage.",
    ),
    Setting(
        "max-pdu",
        Kind("BYTES", "bytes, 4KiB to 16MiB; KiB and MiB may follow", quantity.pdu_size),
        "128KiB",
        "The longest P-DATA PDU that we ask peers to send.",
    ),
    Setting("artim-timeout", SECONDS, "30", "How long a new connection may take to request an association."),
    Setting(
        "network-timeout", SECONDS, "60", "How long the network may stall inside a message before we abort."
    ),
    Setting("dimse-timeout", SECONDS, "60", "How long a peer may take to answer a request of ours."),
    Setting("idle-timeout", SECONDS, "600", "How long an association may stay open without a request."),
    Setting(
        "drain-limit", SECONDS, "30", "How long SIGTERM lets running operations end before they are cut off."
    ),
    Setting(
        "require-called-ae-title",
        SWITCH,
        "no",
        "Reject associations that call another AE title than ours.",
    ),
    Setting(
        "storage-reserve",
        BYTES,
        "256MiB",
        "Free space that stays free: below it C-STORE is refused with A700 (out of resources).",
    ),
    Setting(
        "index-lag-limit",
        Kind("N", "instances", quantity.positive_count),
        "100000",
        "With more instances than this waiting for the index, /health/ready turns red.",
    ),
    Setting(
        "import-processes",
        Kind("N", "processes; 0 is one a processor", quantity.count),
        "0",
        "How many processes read files for 'pacs index' and for making the index anew.",
    ),
    Setting(
        "log-format",
        _one_of("auto", "text", "json"),
        "auto",
        "One line an operation: text on a terminal and JSON otherwise, or always one of the two.",
    ),
    Setting(
        "log-level",
        _one_of("debug", "info", "warning", "error"),
        "info",
        "The least important line that is logged.",
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in TABLE}


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of the table; see there for meanings and defaults. Sizes in bytes, times in seconds."""

    data: Path
    config: Path | None
    ae_title: str
    bind: str
    dimse_port: int
    http_port: int
    dimse_proxy_port: int
    index: str
    storage: Path | None
    auth: str
    workers: int
    max_associations: int
    max_pdu: int
    artim_timeout: float
    network_timeout: float
    dimse_timeout: float
    idle_timeout: float
    drain_limit: float
    require_called_ae_title: bool
    storage_reserve: int
    index_lag_limit: int
    import_processes: int
    log_format: str
    log_level: str


@dataclass(frozen=True, slots=True)
class Effective:
    """Settings, each with its text and where that came from, by the setting's name."""

    settings: Settings
    texts: Mapping[str, str]
    origins: Mapping[str, str]


def load(flags: Mapping[str, str | None], environment: Mapping[str, str]) -> Effective:
    """Settings from ``flags`` (by name, None where not given), ``environment`` and the file that they name.

    Raises InvalidSettings for an unknown name, a value that does not fit, or a file that cannot be read.
    """
    given = {name: text for name, text in flags.items() if text is not None}
    for name in given:
        _known(name, f"--{name}", lambda setting: setting.flag)
    variables: dict[str, str] = {}
    for variable, text in environment.items():
        if variable.startswith(ENVIRONMENT_PREFIX):
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("_", "-")
            _known(name, variable, lambda setting: setting.variable)
            variables[name] = text
    config = given.get("config") or variables.get("config") or ""
    file = _read_file(Path(config).expanduser()) if config else {}
    values: dict[str, Any] = {}
    texts: dict[str, str] = {}
    origins: dict[str, str] = {}
    for setting in TABLE:
        if setting.name in given:
            text, origin = given[setting.name], setting.flag
        elif setting.name in variables:
            text, origin = variables[setting.name], setting.variable
        elif setting.name in file:
            text, origin = file[setting.name], config
        else:
            text, origin = setting.default, "default"
        values[setting.field] = _parse(setting, text, origin)
        texts[setting.name], origins[setting.name] = text, origin
    return Effective(Settings(**values), texts, origins)


def defaults() -> Settings:
    """Settings as they are without flags, environment and file."""
    return load({}, {}).settings


def _parse(setting: Setting, text: str, origin: str) -> object:
    try:
        return setting.kind.parse(text.strip())
    except InvalidInput as error:
        name = origin if origin in (setting.flag, setting.variable) else f"{setting.name} (in {origin})"
        raise InvalidSettings(f"{name} {error}") from error


def _known(name: str, written: str, spell: Callable[[Setting], str]) -> None:
    if name in BY_NAME:
        return
    nearest = difflib.get_close_matches(name, BY_NAME, n=1, cutoff=0)[0]
    raise InvalidSettings(f"{written} is no setting; the nearest is {spell(BY_NAME[nearest])}")


def _read_file(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise InvalidSettings(f"the settings file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"the settings file {path} is not TOML: {error}") from error
    texts: dict[str, str] = {}
    for name, value in table.items():
        _known(name, f"{name!r} in {path}", lambda setting: repr(setting.name))
        if name == "config":
            raise InvalidSettings(f"'config' in {path} is not allowed: a settings file cannot name another")
        if isinstance(value, bool):
            texts[name] = "yes" if value else "no"
        elif isinstance(value, str | int | float):
            texts[name] = str(value)
        else:
            raise InvalidSettings(f"{name} must be a text, a number or true/false (in {path})")
    return texts
