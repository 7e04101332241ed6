"""The client of Tryton's JSON-RPC: what each answer of a server comes to."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from orchestrator.wire.errors import (
    Cut,
    Declined,
    Garbled,
    NotConnected,
    NotOffered,
    Silent,
    WireError,
)
from orchestrator.wire.tryton import TrytonClient

URL = "http://ris.example"
Answer = Callable[[httpx.Request], httpx.Response]


class Server:
    """Knows one account and two patients, as a Tryton server does."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[Any], str | None]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        method, arguments = body["method"], body["params"]
        session = request.headers.get("Authorization")
        self.asked.append((method, arguments, session))
        if method == "common.server.version":
            return httpx.Response(200, json="7.0.59")
        if method == "common.db.login":
            known = arguments == ["w", {"password": "p"}]
            return result([7, "key", None]) if known else httpx.Response(401)
        if session is None:
            return httpx.Response(401)
        if method.endswith("get_preferences"):
            return result({"language": "en"})
        if method.endswith("search_count"):
            return result(2)
        return result([{"id": 1, "rec_name": "A"}, {"id": 2, "rec_name": "B"}])


def result(value: object) -> httpx.Response:
    return httpx.Response(200, json={"id": 1, "result": value})


def client(answer: Answer) -> TrytonClient:
    return TrytonClient(URL, database="health", transport=httpx.MockTransport(answer))


def test_who_logged_in_counts_and_reads_with_his_own_context() -> None:
    server = Server()
    with client(server) as ris:
        assert ris.version() == "7.0.59"
        ris.log_in("w", "p")
        assert ris.count("gnuhealth.patient") == 2
        found = ris.search("gnuhealth.patient", ["rec_name"], domain=[["id", "in", [1, 2]]])
    assert [one["rec_name"] for one in found] == ["A", "B"]
    method, arguments, session = server.asked[-1]
    assert method == "model.gnuhealth.patient.search_read"
    order = [["id", "ASC"]]
    wanted = [[["id", "in", [1, 2]]], 0, None, order, ["rec_name"], {"language": "en"}]
    assert arguments == wanted
    assert session == "Session " + base64.b64encode(b"w:7:key").decode()


def test_a_wrong_password_is_declined_with_its_status() -> None:
    with pytest.raises(Declined) as refused:
        client(Server()).log_in("w", "wrong")
    assert refused.value.status == 401
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(404), NotOffered),
        (httpx.Response(503), Declined),
        (httpx.Response(200, text="<html>"), Garbled),
        (httpx.Response(200, json={"id": 1}), Garbled),
        (httpx.Response(200, json={"error": ["UserError", ["Ana Probe", ""]]}), Declined),
        (httpx.Response(200, json={"result": [1]}), Garbled),
        (httpx.Response(200, json={"result": "yes"}), Garbled),
    ],
)
def test_whatever_is_no_session_is_an_error(answer: httpx.Response, error: type[WireError]) -> None:
    with pytest.raises(error):
        client(lambda _: answer).log_in("w", "p")


def test_a_failure_is_told_by_its_kind_alone() -> None:
    """Tryton's words may name a patient."""
    failed = httpx.Response(200, json={"id": 1, "error": ["UserError", ["Ana Probe is dead", ""]]})
    with pytest.raises(Declined) as told:
        client(lambda _: failed).call("gnuhealth.patient", "read", [1])
    assert "UserError" in str(told.value)
    assert "Ana" not in str(told.value)


def test_a_kind_that_is_no_word_is_not_told() -> None:
    failed = httpx.Response(200, json={"id": 1, "error": ["Ana Probe", ""]})
    with pytest.raises(Declined) as told:
        client(lambda _: failed).call("gnuhealth.patient", "read", [1])
    assert "Ana" not in str(told.value)


@pytest.mark.parametrize("value", [True, "2", None, [2]])
def test_a_count_that_is_no_number_is_garbled(value: object) -> None:
    with pytest.raises(Garbled):
        client(lambda _: result(value)).count("gnuhealth.patient")


@pytest.mark.parametrize("value", [None, {}, [1], "x"])
def test_a_search_without_records_is_garbled(value: object) -> None:
    with pytest.raises(Garbled):
        client(lambda _: result(value)).search("gnuhealth.patient", ["id"])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("no"), NotConnected),
        (httpx.ReadTimeout("no"), Silent),
        (httpx.RemoteProtocolError("no"), Cut),
    ],
)
def test_no_answer_says_which(error: Exception, kind: type[WireError]) -> None:
    def breaks(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(kind):
        client(breaks).version()
