"""The rules of the container images: pinned, non-root, no shell, no secrets, and asked how they are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tunnel.dockerfile import Stage, is_exec_form, stages
from tests.tunnel.network import Echo, free_port
from tunnel.settings import Address
from tunnel.status import StatusServer

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "tunnel" / "Dockerfile", ROOT / "pacs" / "Dockerfile"]
EVERY_STAGE = [(path, stage) for path in FILES for stage in stages(path)]
RUNNING = [(path, stage) for path, stage in EVERY_STAGE if stage.name != "build"]
_SECRET = re.compile(r"SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|PRIVATE|\bKEY|_KEY|CERT", re.IGNORECASE)


def name(case: tuple[Path, Stage]) -> str:
    return f"{case[0].parent.name}:{case[1].name or 'last'}"


@pytest.mark.parametrize("case", EVERY_STAGE, ids=name)
def test_every_base_image_is_pinned_by_digest(case: tuple[Path, Stage]) -> None:
    assert re.fullmatch(r"[a-z0-9./-]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}", case[1].base)
    assert ":latest" not in case[1].base


@pytest.mark.parametrize("case", EVERY_STAGE, ids=name)
def test_no_command_runs_in_a_shell(case: tuple[Path, Stage]) -> None:
    for word in ("RUN", "CMD", "ENTRYPOINT"):
        assert all(is_exec_form(rest) for rest in case[1].all(word))
    assert not case[1].all("SHELL")


@pytest.mark.parametrize("case", EVERY_STAGE, ids=name)
def test_nothing_is_downloaded_unchecked_and_no_secret_is_in_the_image(case: tuple[Path, Stage]) -> None:
    stage = case[1]
    assert not stage.all("ADD")
    for rest in (*stage.all("ENV"), *stage.all("ARG")):
        assert not _SECRET.search(rest)
    for rest in stage.all("COPY"):
        assert not re.search(r"\.(pem|key|crt|p12)\b", rest)
    for rest in stage.all("RUN"):
        if "pip" in rest and "requirements" in rest:
            assert {"--require-hashes", "--only-binary=:all:"} <= set(json.loads(rest))


@pytest.mark.parametrize("case", RUNNING, ids=name)
def test_image_runs_as_nobody_and_is_asked_how_it_is(case: tuple[Path, Stage]) -> None:
    stage = case[1]
    assert stage.last("USER") == "65532:65532"
    assert is_exec_form(stage.last("ENTRYPOINT"))
    before, _, check = stage.last("HEALTHCHECK").partition(" CMD ")
    assert is_exec_form(check)
    assert "--timeout=" in before


@pytest.mark.parametrize("case", RUNNING, ids=name)
def test_image_needs_no_writable_root(case: tuple[Path, Stage]) -> None:
    stage = case[1]
    assert not stage.all("RUN")
    if stage.base.startswith("python:"):
        assert "PYTHONDONTWRITEBYTECODE=1" in stage.last("ENV")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_build_sees_only_what_it_copies(path: Path) -> None:
    ignored = path.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert "**/*.pem" in ignored


def test_shell_form_is_told_from_exec_form() -> None:
    assert is_exec_form('["pacs", "serve"]')
    for command in ("pacs serve", "[]", '"pacs"', "[pacs]", "[1]", ""):
        assert not is_exec_form(command)


def test_image_and_tests_have_the_same_ghostunnel() -> None:
    wanted = re.findall(r"ghostunnel@(v[0-9.]+)", FILES[0].read_text())
    assert wanted
    assert f"version={wanted[0]} " in (ROOT / "tests" / "setup-ghostunnel.sh").read_text()


def test_supervisor_needs_no_library_beside_python() -> None:
    without = (
        "import sys; sys.modules['cryptography'] = None; from tunnel.__main__ import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", without, "supervise", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--inbound" in done.stdout


def test_health_check_tells_a_healthy_tunnel_from_others(tmp_path: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed: the container build compiles tunnel/health")
    program = tmp_path / "health"
    subprocess.run([go, "build", "-o", str(program), "."], cwd=ROOT / "tunnel" / "health", check=True)
    with Echo() as echo:  # answers, but not with 200
        url = f"http://127.0.0.1:{echo.port}/_status"
        assert subprocess.run([program, url], capture_output=True, check=False).returncode == 1
    assert subprocess.run([program, url], capture_output=True, check=False).returncode == 1
    address = Address("127.0.0.1", free_port())
    server = StatusServer(address, lambda: {"tunnels": {}, "problem": "", "refused": {}})
    assert subprocess.run([program, f"http://{address}/"], capture_output=True, check=False).returncode == 0
    server.close()
    assert subprocess.run([program], capture_output=True, check=False).returncode == 2
