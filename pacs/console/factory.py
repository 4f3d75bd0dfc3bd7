"""The Flask application: one blueprint a page, and what every answer has in common."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, Response, render_template
from prometheus_client import CollectorRegistry

from pacs.console import health, metrics

HEADERS = {
    # No page needs a script, a frame or anything from elsewhere; what a page shows is of the moment.
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class About:
    """What the front page says of the appliance."""

    version: str
    ae_title: str
    dimse_port: int


def create_app(about: About, readiness: health.Readiness, registry: CollectorRegistry) -> Flask:
    """The application, ready for a WSGI server."""
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(health.blueprint(readiness))
    app.register_blueprint(metrics.blueprint(registry))

    @app.get("/")
    def front() -> str:
        return render_template(
            "front.html", version=about.version, ae_title=about.ae_title, dimse_port=about.dimse_port
        )

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return app
