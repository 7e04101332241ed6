"""A NetBox on loopback: answers in the shapes of its REST API 4.1, page by page.

``netbox_answers`` was written after NetBox's own documentation of each object, by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

ANSWERS = Path(__file__).with_name("netbox_answers")
TOKEN = "0123456789abcdef0123456789abcdef01234567"
FOUND = 302
Answer = tuple[int, str, bytes]


class NetBox:
    """Gives recorded answers, in pages of two as ``limit`` would; knows what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.instead: Callable[[str], Answer | None] = lambda _: None
        self.elsewhere = ""
        self.answers = {file.stem: file.read_text() for file in ANSWERS.glob("*.json")}
        box = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, kind, body = box.answer(self.path, self.headers.get("Authorization", ""))
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("API-Version", "4.1")
                if code == FOUND:
                    self.send_header("Location", body.decode())
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str, authorization: str) -> Answer:
        parts = urlsplit(path)
        query = dict(parse_qsl(parts.query))
        self.asked.append((parts.path, query, authorization))
        if (instead := self.instead(parts.path)) is not None:
            return instead
        if authorization != f"Token {TOKEN}":
            return 403, "application/json", b'{"detail": "Invalid token"}'
        name = parts.path.strip("/").removeprefix("api/").replace("/", ".")
        if name not in self.answers:
            return 404, "application/json", b'{"detail": "Not found."}'
        found = json.loads(self.answers[name])
        wanted = [value for key, value in parse_qsl(parts.query) if key == "role"]
        if wanted:
            found = [one for one in found if (one["role"] or {})["slug"] in wanted]
        at = int(query.get("offset", "0"))
        more = f"{self.elsewhere or self.url}{parts.path}?limit=2&offset={at + 2}"
        more += "".join(f"&role={each}" for each in wanted)
        page = {
            "count": len(found),
            "next": more if at + 2 < len(found) else None,
            "previous": None,
            "results": found[at : at + 2],
        }
        return 200, "application/json", json.dumps(page).encode()
