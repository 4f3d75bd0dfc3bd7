from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from pacs.errors import InvalidSettings
from pacs.settings import TABLE, Settings, defaults, load


def test_every_row_of_the_table_is_a_field_of_settings_and_there_are_no_others() -> None:
    assert [setting.field for setting in TABLE] == [field.name for field in fields(Settings)]


def test_there_are_few_settings_and_each_has_help() -> None:
    assert len(TABLE) <= 30
    assert all(setting.help.endswith(".") for setting in TABLE)


def test_defaults_are_those_of_the_contract() -> None:
    settings = defaults()
    assert (settings.ae_title, settings.bind) == ("PACS", "127.0.0.1")
    assert (settings.dimse_port, settings.http_port) == (11112, 8080)
    assert (settings.index, settings.storage) == ("tantivy", None)


def test_flag_goes_before_environment_before_file_before_default(tmp_path: Path) -> None:
    file = tmp_path / "pacs.toml"
    file.write_text('ae-title = "FILE"\ndimse-port = 1\nhttp-port = 2\nidle-timeout = 1.5\n')
    environment = {"PACS_CONFIG": str(file), "PACS_AE_TITLE": "ENV", "PACS_DIMSE_PORT": "3", "HOME": "/"}
    effective = load({"ae-title": "FLAG", "bind": None}, environment)
    settings = effective.settings
    assert (settings.ae_title, settings.dimse_port, settings.http_port) == ("FLAG", 3, 2)
    assert settings.idle_timeout == 1.5
    assert settings.bind == "127.0.0.1"
    assert effective.origins["ae-title"] == "--ae-title"
    assert effective.origins["dimse-port"] == "PACS_DIMSE_PORT"
    assert effective.origins["http-port"] == str(file)
    assert effective.origins["bind"] == "default"


def test_an_unknown_variable_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(InvalidSettings, match=r"PACS_DIMSEPORT .*nearest is PACS_DIMSE_PORT"):
        load({}, {"PACS_DIMSEPORT": "104"})


def test_an_unknown_name_in_the_file_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    file = tmp_path / "pacs.toml"
    file.write_text('ae_title = "X"\n')
    with pytest.raises(InvalidSettings, match=r"'ae_title' in .*nearest is 'ae-title'"):
        load({"config": str(file)}, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [("config = 'x'", "cannot name another"), ("= 3", "not TOML"), ("bind = [1]", "bind must be")],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "pacs.toml"
    file.write_text(text)
    with pytest.raises(InvalidSettings, match=words):
        load({"config": str(file)}, {})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read"):
        load({"config": str(tmp_path / "none.toml")}, {})


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("index", "postgresql://db", "in this version"),
        ("storage", "s3://bucket/prefix", "in this version"),
        ("auth", "alb", "in this version"),
        ("auth", "password", "in this version"),
        ("dimse-proxy-port", "11113", "in this version"),
        ("index", "lucene", "tantivy or whoosh"),
        ("dimse-port", "70000", "0 to 65535"),
        ("dimse-port", "٣", "0 to 65535"),
        ("ae-title", "A" * 17, "AE title"),
        ("max-pdu", "1KiB", "4KiB"),
        ("idle-timeout", "0", "over zero"),
        ("idle-timeout", "5 parsecs", "over zero"),
        ("storage-reserve", "much", "size"),
        ("require-called-ae-title", "maybe", "yes or no"),
        ("index-lag-limit", "0", "one or more"),
        ("data", "", "folder"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_words(name: str, text: str, words: str) -> None:
    with pytest.raises(InvalidSettings, match=f"^--{name} .*{words}"):
        load({name: text}, {})


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("5GiB", 5 << 30), ("1.5 KiB", 1536), ("2MB", 2_000_000), ("10b", 10)]
)
def test_sizes_have_units(text: str, size: int) -> None:
    assert load({"storage-reserve": text}, {}).settings.storage_reserve == size


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("500ms", 0.5), ("2min", 120), ("1h", 3600)])
def test_times_have_units(text: str, seconds: float) -> None:
    assert load({"idle-timeout": text}, {}).settings.idle_timeout == seconds


@pytest.mark.parametrize(("text", "value"), [("true", True), ("on", True), ("No", False), ("0", False)])
def test_switches_have_the_usual_spellings(text: str, value: bool) -> None:
    assert load({}, {"PACS_REQUIRE_CALLED_AE_TITLE": text}).settings.require_called_ae_title is value


def test_a_switch_in_the_file_is_true_or_false(tmp_path: Path) -> None:
    file = tmp_path / "pacs.toml"
    file.write_text("require-called-ae-title = true\n")
    assert load({"config": str(file)}, {}).settings.require_called_ae_title
