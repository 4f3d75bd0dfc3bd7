"""Keys from secret stores into files that their owner alone may read."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tunnel.errors import TunnelError
from tunnel.keys import write_keys
from tunnel.private_file import write_private
from tunnel.secret.aws import AWSSecretsManager
from tunnel.secret.folder import FolderSource
from tunnel.secret.source import open_source
from tunnel.secret.stream import StreamSource

PEM = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"
OTHER = PEM.replace("AA", "BB")


def stream(**secrets: str) -> StreamSource:
    return StreamSource(io.BytesIO(json.dumps(secrets).encode()))


def test_files_hold_their_secrets_with_mode_0400(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert write_keys(
        stream(key=PEM, authorities=OTHER), {"pacs.pem": "key", "ca.crt": "authorities"}, folder
    )
    assert (folder / "pacs.pem").read_text() == PEM
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o400}


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    wanted = {"a.pem": "a", "b.pem": "b"}
    assert write_keys(stream(a=PEM, b=PEM), wanted, tmp_path) == ("a.pem", "b.pem")
    before = (tmp_path / "a.pem").stat().st_ino
    assert write_keys(stream(a=PEM, b=OTHER), wanted, tmp_path) == ("b.pem",)
    assert (tmp_path / "a.pem").stat().st_ino == before


def test_file_that_others_may_read_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text(PEM)
    assert write_keys(stream(a=PEM), {"a.pem": "a"}, tmp_path) == ("a.pem",)
    assert stat.S_IMODE((tmp_path / "a.pem").stat().st_mode) == 0o400


def test_nothing_is_written_unless_every_secret_is_there_and_a_pem(tmp_path: Path) -> None:
    for secrets in ({"a": PEM}, {"a": PEM, "b": "hunter2"}):
        with pytest.raises(TunnelError) as raised:
            write_keys(stream(**secrets), {"a.pem": "a", "b.pem": "b"}, tmp_path / "keys")
        assert "hunter2" not in str(raised.value)
        assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("name", ["../a.pem", "/a.pem", "b/a.pem", ".a.pem", ""])
def test_file_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TunnelError, match="no file name"):
        write_keys(stream(a=PEM), {name: "a"}, tmp_path)


def test_folder_gives_its_files_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text(PEM)
    (tmp_path / "outside").write_text(PEM)
    source = FolderSource(tmp_path / "secrets")
    assert source.read("key") == PEM.encode()
    for name in ("../outside", "missing"):
        with pytest.raises(TunnelError):
            source.read(name)


@pytest.mark.parametrize("content", [b"", b"hunter2", b"[]", b'{"a": 1}', b"\xff"])
def test_stream_that_is_no_object_of_texts_is_refused_without_repeating_it(content: bytes) -> None:
    with pytest.raises(TunnelError, match="standard input must hold") as raised:
        StreamSource(io.BytesIO(content)).read("a")
    assert "hunter2" not in str(raised.value)


class RecordedClient:
    """Answers as AWS Secrets Manager documents it."""

    def get_secret_value(self, *, SecretId: str) -> Mapping[str, object]:
        answers: dict[str, Mapping[str, object]] = {
            "text": {"SecretString": PEM},
            "octets": {"SecretBinary": PEM.encode()},
            "none": {},
        }
        return answers[SecretId]


def test_secrets_manager_gives_text_and_octets() -> None:
    source = AWSSecretsManager(RecordedClient())
    assert source.read("text") == source.read("octets") == PEM.encode()
    with pytest.raises(TunnelError, match="empty"):
        source.read("none")
    with pytest.raises(TunnelError, match="KeyError"):
        source.read("missing")


@pytest.mark.parametrize("text", ["", "folder:", "env:KEY", "file"])
def test_source_that_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(TunnelError, match="secrets come from"):
        open_source(text)


def keys(*words: str, given: str = "", code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tunnel", "keys", *words],
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_command_takes_secrets_from_standard_input(tmp_path: Path) -> None:
    given = json.dumps({"arn:aws:secret": PEM})
    said = keys("pacs.pem=arn:aws:secret", "--source=-", f"--into={tmp_path}", given=given)
    assert (tmp_path / "pacs.pem").read_text() == PEM
    assert "AA==" not in said


def test_command_refuses_what_makes_no_sense_in_words(tmp_path: Path) -> None:
    assert "FILE=SECRET" in keys("pacs.pem", "--source=-", f"--into={tmp_path}", code=1)
    assert "--every" in keys("a=b", "--source=-", "--every=5", f"--into={tmp_path}", code=1)


def test_private_file_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_private(path, b"one", replace=False)
    with pytest.raises(TunnelError, match="exists already"):
        write_private(path, b"two", replace=False)
    assert path.read_bytes() == b"one"
    write_private(path, b"two", replace=True)
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["key.pem"]
