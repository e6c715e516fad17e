"""A recorded agency: a real HTTP server on this machine that answers from cassettes, well and badly."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FIRST = {"vat_number": "IT01234567890", "country": "IT"}
ANSWER = {
    "score": "rating/value",
    "scale": {"from": 6, "to": 1},
    "scale_name": "6-1",
    "reference": "id",
    "date": "rating/date",
    "pd": "rating/pd",
    "pd_unit": "percent",
    "days_beyond_terms": "payment/dbt",
    "limit": "limit/amount",
    "currency": "limit/currency",
    "activity": "company/status",
    "activities": {"ACT": "active"},
}


def configured(agency, **changes):
    return {
        "url": f"{agency.url}/v1/{{country}}/{{vat_number}}",
        "headers": {"Authorization": "Bearer {secret}", "Idempotency-Key": "{idempotency_key}"},
        "answer": ANSWER,
        **changes,
    }


CASSETTES = Path(__file__).resolve().parent / "cassettes"


class Agency(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict] = []
        self.recorded: list[dict] = []

    def handle_error(self, request, address) -> None:
        """Clients that hang up are what is tested here."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def play(self, *names: str) -> None:
        """Answer from these cassettes from now on, and forget what was asked."""
        self.asked.clear()
        self.recorded = [
            one
            for name in names
            for one in json.loads((CASSETTES / f"{name}.json").read_text(encoding="utf-8"))
        ]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(
            {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body.decode()}
        )
        same = (
            one for one in self.server.recorded if (one["method"], one["path"]) == (self.command, self.path)
        )
        answer = next(same, {"status": 404, "body": {"error": "unknown"}})
        text = answer.get("text", json.dumps(answer.get("body", ""))).encode() * answer.get("times", 1)
        time.sleep(answer.get("wait", 0))
        self.send_response(answer["status"])
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text) + answer.get("missing", 0)))
        self.end_headers()
        for start in range(0, len(text), answer.get("drip", 1 << 20)):
            self.wfile.write(text[start : start + answer.get("drip", 1 << 20)])
            self.wfile.flush()
            time.sleep(answer.get("pause", 0))
        self.close_connection = True

    do_GET = do_POST = _serve

    def log_message(self, *args) -> None:
        pass


@contextmanager
def running():
    server = Agency()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
