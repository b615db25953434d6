"""Stand-ins for the services, for tests of the stack alone: they answer /readyz and /status, and die when told."""

from __future__ import annotations

from pathlib import Path

import pytest
from common.topics import SERVICES

STAND_IN = """
import json, os, signal
from http.server import BaseHTTPRequestHandler, HTTPServer


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os.kill(os.getpid(), signal.SIGKILL)
        seen = {"lag": {"state": 3}, "environment": dict(os.environ)}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(seen).encode())

    def log_message(self, *_):
        pass


if os.environ.get("TRUEUP_FAILPOINTS") == "at.start=1":
    raise SystemExit("failpoint at.start")
HTTPServer((os.environ["TRUEUP_HTTP_HOST"], int(os.environ["TRUEUP_HTTP_PORT"])), Answers).serve_forever()
"""


@pytest.fixture(scope="session")
def stand_ins(session_folder: Path) -> dict[str, str]:
    """The environment in which `python -m observer.main` and its five peers are stand-ins."""
    place = session_folder / "stand-ins"
    for service in SERVICES:
        (place / service).mkdir(parents=True)
        (place / service / "__init__.py").touch()
        (place / service / "main.py").write_text(STAND_IN)
    return {"PYTHONPATH": str(place)}
