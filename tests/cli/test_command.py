from __future__ import annotations

from pathlib import Path

import pytest

from pacs.cli.command import main
from tests.samples import sample


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PACS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PACS_IMPORT_PROCESSES", "1")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serv"], "nearest is 'serve'"),
        (["serve", "--dimseport", "1"], "nearest is --dimse-port"),
        (["serve", "--dimse-port", "x"], "--dimse-port must be a port"),
        (["serve", "--storage", "s3://bucket"], "--storage cannot be 's3://bucket' in this version"),
        (["serve", "--auth", "alb"], "--auth cannot be 'alb' in this version"),
        (["serve", "--config", "/nonexistent.toml"], "/nonexistent.toml cannot be read"),
        (["peer", "add", "X"], "Missing argument 'HOST'"),
        (["peer", "add", "A" * 17, "localhost", "104"], "AE title"),
        (["peer", "ad"], "nearest is 'add'"),
        (["query"], "Missing argument 'TEXT"),
        (["index", "/nonexistent"], "does not exist"),
    ],
)
def test_wrong_use_is_one_line_that_says_what_to_do(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("pacs: ")
    assert words in line


@pytest.mark.parametrize("arguments", [["query", "x"], ["verify"], ["rebuild"]])
def test_a_folder_without_an_archive_is_not_made_into_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 1
    assert "There is no archive" in err
    assert not (tmp_path / "data").exists()


def test_an_unknown_variable_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACS_DIMSEPORT", "1")
    code, _, err = run(capsys, "peer", "list")
    assert code == 2
    assert "PACS_DIMSEPORT is no setting; the nearest is PACS_DIMSE_PORT" in err


def test_settings_show_value_and_origin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACS_HTTP_PORT", "1234")
    code, out, _ = run(capsys, "settings", "--ae-title", "MINE")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert code == 0
    assert rows["ae-title"] == ["MINE", "--ae-title"]
    assert rows["http-port"] == ["1234", "PACS_HTTP_PORT"]
    assert rows["bind"] == ["127.0.0.1", "default"]


def test_peers_are_added_listed_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "peer", "add", "WS", "192.0.2.7", "104") == (0, "WS is now 192.0.2.7:104\n", "")
    assert run(capsys, "peer", "add", "WS", "192.0.2.8", "104")[1].endswith("was 192.0.2.7:104\n")
    assert run(capsys, "peer", "list")[1].splitlines()[1].split() == ["WS", "192.0.2.8", "104"]
    assert run(capsys, "peer", "remove", "WS")[0] == 0
    assert run(capsys, "peer", "remove", "WS")[0] == 1


def test_a_peer_that_does_not_answer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "peer", "add", "NOBODY", "127.0.0.1", "1")
    code, _, err = run(capsys, "peer", "echo", "NOBODY")
    assert code == 1
    assert "cannot be reached" in err


def test_files_are_imported_queried_verified_and_the_index_rebuilt(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    slice_ = sample("CT_small.dcm")
    (tmp_path / "note.txt").write_text("no image")
    code, out, err = run(capsys, "index", str(slice_), str(tmp_path / "note.txt"))
    assert code == 1
    assert out.startswith("1 file taken, 1 refused")
    assert "note.txt: " in err
    code, out, err = run(capsys, "index", str(slice_))
    assert code == 0
    assert "1 there already" in out
    for command in ("verify", "rebuild"):
        assert run(capsys, command)[0] == 0
    code, out, err = run(capsys, "query", "Modality:CT", "--level", "image")
    assert code == 0
    assert len(out.splitlines()) == 2
    assert err == "1 image\n"
    code, out, _ = run(capsys, "query", "Modality:CT", "--json")
    assert code == 0
    assert '"ModalitiesInStudy": "CT"' in out
    assert run(capsys, "query", "Modality:MR") == (0, "", "0 studies\n")


def test_help_is_given_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert "Exit codes" in out
