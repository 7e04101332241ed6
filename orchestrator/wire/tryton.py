"""A client of Tryton's JSON-RPC, which GNU Health speaks: a session, calls of model methods.

Gives what was asked for or raises a ``WireError``. What the server says of a failure goes no
further than its kind: its texts may hold a patient's data.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from orchestrator.wire.errors import Cut, Declined, Garbled, NotConnected, NotOffered, Silent

#: A Tryton domain, such as ``[["active", "=", True]]``.
Domain = list[Any]
Record = dict[str, Any]


class TrytonClient:
    """One database of a Tryton server. ``url``: its root; ``timeout``: seconds of silence."""

    def __init__(
        self,
        url: str,
        *,
        database: str,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.database = database
        self._timeout = timeout
        self._session = ""
        self._context: dict[str, Any] = {}
        self._client = httpx.Client(
            timeout=timeout,
            trust_env=False,
            verify=ssl.create_default_context(),  # this machine's authorities, not a library's
            transport=transport,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open; the session on the server ends by its own time limit."""
        self._client.close()

    def version(self) -> str:
        """The server's own version, that of Tryton.

        Raises:
            WireError: no answer.
        """
        return str(self._post("/", "common.server.version", []))

    def log_in(self, user: str, password: str) -> None:
        """Begin a session; each wrong password makes the server slower for that user.

        Raises:
            Declined: with status 401, the account is not let in.
            WireError: no answer.
        """
        answer = self._call("common.db.login", [user, {"password": password}])
        if not isinstance(answer, list) or len(answer) < 2:
            raise Garbled(f"{self.url}: a log-in was answered without a session")
        session = f"{user}:{answer[0]}:{answer[1]}"
        self._session = "Session " + base64.b64encode(session.encode()).decode()
        found = self.call("res.user", "get_preferences", True)  # noqa: FBT003 - JSON-RPC
        self._context = found if isinstance(found, dict) else {}

    def call(self, model: str, method: str, *arguments: Any) -> Any:
        """A method of a model, with the user's own context.

        Raises:
            Declined: the server refuses or fails.
            WireError: no answer.
        """
        return self._call(f"model.{model}.{method}", [*arguments, self._context])

    def count(self, model: str, domain: Domain | None = None) -> int:
        """How many records a search finds.

        Raises:
            WireError: no answer, or a refusal.
        """
        answer = self.call(model, "search_count", domain or [])
        if isinstance(answer, bool) or not isinstance(answer, int):
            raise Garbled(f"{self.url}: a count of {model} is no number")
        return answer

    def search(
        self,
        model: str,
        fields: Sequence[str],
        *,
        domain: Domain | None = None,
        limit: int | None = None,
    ) -> list[Record]:
        """The records that a search finds, in the order of their ids, each with these fields.

        Raises:
            WireError: no answer, or a refusal.
        """
        order = [["id", "ASC"]]
        answer = self.call(model, "search_read", domain or [], 0, limit, order, list(fields))
        if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
            raise Garbled(f"{self.url}: a search of {model} was answered without records")
        return answer

    def _call(self, method: str, arguments: list[Any]) -> Any:
        return self._post(f"/{quote(self.database)}/", method, arguments)

    def _post(self, path: str, method: str, arguments: list[Any]) -> Any:
        what = f"{method} at {self.url}{path}"
        body = {"id": 1, "method": method, "params": arguments}
        headers = {"Authorization": self._session} if self._session else {}
        try:
            answer = self._client.post(self.url + path, json=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise NotConnected(f"{what}: no connection") from None
        except httpx.TimeoutException:
            raise Silent(f"{what}: no answer within {self._timeout:.0f} s") from None
        except httpx.HTTPError:
            raise Cut(f"{what}: the connection ended before the answer was complete") from None
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotOffered(f"{what}: no such database")
        if answer.status_code != httpx.codes.OK:
            raise Declined(f"{what} answers {answer.status_code}", status=answer.status_code)
        return self._result(what, answer)

    def _result(self, what: str, answer: httpx.Response) -> Any:
        """What is in the envelope; Tryton answers a failure with 200 as well."""
        try:
            body = answer.json()
        except ValueError:
            raise Garbled(f"{what}: an answer that is no JSON") from None
        if not isinstance(body, dict):
            return body
        if error := body.get("error"):
            kind = error[0] if isinstance(error, list) and error else "an error"
            kind = kind if isinstance(kind, str) and kind.isidentifier() else "an error"
            raise Declined(f"{what} fails with {kind}", status=answer.status_code)
        if "result" not in body:
            raise Garbled(f"{what}: an answer without a result")
        return body["result"]
