"""A hub on this machine: it answers what an upload by the hub's own library asks, and keeps what arrived."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Commit:
    repository: str
    message: str
    pull_request: bool
    files: dict[str, bytes]


@dataclass
class FakeHub:
    """Repositories by path (``datasets/me/tab``), and all that was asked.

    ``answers`` sets the status of what ends with a path, 0 drops the connection.
    """

    token: str
    repositories: set[str] = field(default_factory=set)
    answers: dict[str, int] = field(default_factory=dict)
    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)

    def answer(self, method: str, target: str, authorization: str | None, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(target)
        self.asked.append((f"{method} {parts.path}", authorization))
        if parts.path == "/api/agent-harnesses":  # the library asks it of any hub, without a token
            return 404, {}
        for ending, status in self.answers.items():
            if parts.path.endswith(ending):
                return status, {"error": "as the test wishes"}
        if authorization != f"Bearer {self.token}":
            return 401, {"error": "Invalid credentials in Authorization header"}
        if parts.path == "/api/repos/create":
            wanted = json.loads(body)
            name = f"{wanted['type']}s/{wanted['organization']}/{wanted['name']}"
            there = name in self.repositories
            self.repositories.add(name)
            return (409 if there else 200), {"url": f"{self.url}/{name}"}
        if parts.path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        _, _, kind, owner, name, *rest = parts.path.split("/")
        if (repository := f"{kind}/{owner}/{name}") not in self.repositories:
            return 404, {"error": "Repository not found"}
        action, revision = rest
        assert revision == "main"
        if action == "preupload":
            paths = [file["path"] for file in json.loads(body)["files"]]
            return 200, {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]}
        assert action == "commit"
        return 200, self._commit(repository, "create_pr=1" in parts.query.split("&"), body)

    def _commit(self, repository: str, pull_request: bool, body: bytes) -> dict[str, str]:
        head, *rest = (json.loads(line) for line in body.splitlines())
        assert {line["key"] for line in rest} == {"file"}
        files = {line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in rest}
        self.commits.append(Commit(repository, head["value"]["summary"], pull_request, files))
        where = {"commitUrl": f"{self.url}/{repository}/commit/1", "commitOid": "1" * 40}
        return {**where, "pullRequestUrl": f"{self.url}/{repository}/discussions/1"} if pull_request else where


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Runs it at a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, found = hub.answer(self.command, self.path, self.headers.get("Authorization"), body)
            if not status:
                self.close_connection = True
                return
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
