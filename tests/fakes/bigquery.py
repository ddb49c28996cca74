"""BigQuery's job API at the wire: reports the type of a statement that it is given, and keeps the jobs it received."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from assay.settings import Settings


class JobServer:
    """Answers every job as done, with `statement_type`, or without a type if it is None."""

    def __init__(self, *, statement_type: str | None) -> None:
        self.jobs: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(statement_type))

    def settings(self, settings: Settings) -> Settings:
        """The settings with this server as their warehouse."""
        return replace(settings, bigquery_endpoint=f"http://127.0.0.1:{self._server.server_port}")

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()

    def _handler(self, statement_type: str | None) -> type[BaseHTTPRequestHandler]:
        jobs = self.jobs

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_POST(self) -> None:
                job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                jobs.append(job)
                statistics = {"query": {"statementType": statement_type} if statement_type else {}}
                body = json.dumps({**job, "status": {"state": "DONE"}, "statistics": statistics}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keeps the output of the tests clean."""

        return Handler
