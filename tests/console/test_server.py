from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from pacs.console.factory import HEADERS, About, create_app
from pacs.console.health import Readiness
from pacs.console.server import HTTPServer
from pacs.errors import Unavailable


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    app = create_app(About("1.2.3", "AET<1>", 104), Readiness([], 1), CollectorRegistry())
    server = HTTPServer(app, "127.0.0.1", 0)
    server.start()
    yield server
    server.close()


def url(server: HTTPServer, path: str) -> str:
    return f"http://127.0.0.1:{server.address[1]}{path}"


def test_front_page_names_the_appliance_and_escapes_its_title(server: HTTPServer) -> None:
    with urllib.request.urlopen(url(server, "/")) as response:
        page = response.read().decode()
    assert "1.2.3" in page
    assert "AET&lt;1&gt;" in page


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/metrics"])
def test_every_page_has_the_security_headers(server: HTTPServer, path: str) -> None:
    with urllib.request.urlopen(url(server, path)) as response:
        assert {name: response.headers[name] for name in HEADERS} == HEADERS
        assert "Server" not in response.headers


def test_a_closed_server_frees_its_port(server: HTTPServer) -> None:
    port = server.address[1]
    server.close()
    app = create_app(About("1", "A", 104), Readiness([], 1), CollectorRegistry())
    again = HTTPServer(app, "127.0.0.1", port)
    again.close()


def test_a_taken_port_is_told_with_the_setting_that_changes_it(server: HTTPServer) -> None:
    app = create_app(About("1", "A", 104), Readiness([], 1), CollectorRegistry())
    with pytest.raises(Unavailable, match="--http-port"):
        HTTPServer(app, "127.0.0.1", server.address[1])
