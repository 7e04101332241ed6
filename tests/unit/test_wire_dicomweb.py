"""The DICOMweb client: what each answer of a server comes to."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from pydicom import dcmwrite
from pydicom.filebase import DicomBytesIO

from orchestrator.verify.probe import make_probe
from orchestrator.wire.dicomweb import Instance, WebClient, multipart
from orchestrator.wire.errors import (
    Cut,
    Declined,
    Garbled,
    NotConnected,
    NotOffered,
    Silent,
    WireError,
)
from orchestrator.wire.objects import StoredObject

ROOT = "http://pacs.example/dicom-web"
TYPE = 'multipart/related; type="application/dicom"; boundary=edge'
Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer) -> WebClient:
    return WebClient(ROOT, user="w", password="p", transport=httpx.MockTransport(answer))


def match(uid: str, count: int) -> dict[str, object]:
    return {"0020000D": {"vr": "UI", "Value": [uid]}, "00201208": {"vr": "IS", "Value": [count]}}


def says(status: int, **rest: object) -> Answer:
    return lambda _: httpx.Response(status, **rest)  # type: ignore[arg-type]


def breaks(error: Exception) -> Answer:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return answer


def test_every_study_with_its_count() -> None:
    answer = says(200, json=[match("1.2", 3), match("1.3", 1)])
    assert client(answer).studies() == {"1.2": 3, "1.3": 1}


def test_a_study_under_two_patients_counts_with_both() -> None:
    answer = says(200, json=[match("1.2", 3), match("1.2", 1)])
    assert client(answer).studies() == {"1.2": 4}


def test_no_content_is_no_study() -> None:
    assert client(says(204)).studies() == {}


def test_the_server_says_that_there_is_more() -> None:
    def paged(request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params.get("offset", 0))
        rest = [match(f"1.{n}", 1) for n in range(offset, 5)]
        more = {"Warning": "299 pacs: there are more results"} if len(rest) > 2 else {}
        return httpx.Response(200, json=rest[:2], headers=more)

    assert client(paged).studies() == {f"1.{n}": 1 for n in range(5)}


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (says(404), NotOffered),
        (says(401), Declined),
        (says(500), Declined),
        (says(302, headers={"Location": "/login"}), Declined),
        (says(200, text="<html>welcome</html>"), Garbled),
        (says(200, json=[{"0020000D": {"vr": "UI"}}]), Garbled),
        (says(200, json={"error": "none"}), Garbled),
        (breaks(httpx.ConnectError("refused")), NotConnected),
        (breaks(httpx.ReadTimeout("late")), Silent),
        (breaks(httpx.RemoteProtocolError("gone")), Cut),
        (breaks(httpx.ReadError("gone")), Cut),
    ],
)
def test_anything_else_is_an_error_and_never_an_empty_archive(
    answer: Answer, meaning: type[WireError]
) -> None:
    with pytest.raises(meaning):
        client(answer).studies()


def test_the_password_is_sent_and_never_told() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(401)

    with pytest.raises(Declined) as declined:
        client(answer).studies()
    assert seen == [httpx.BasicAuth("w", "p")._auth_header]
    assert "w:p" not in str(declined.value)


def test_a_path_from_the_root_leaves_the_dicomweb_root() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"path": request.url.path})

    assert client(answer).get("/system").json() == {"path": "/system"}
    assert client(answer).get("studies").json() == {"path": "/dicom-web/studies"}


def part(content: bytes) -> bytes:
    return b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n"


def test_an_object_comes_back_as_it_is_stored() -> None:
    stored = make_probe(token=1).objects[0]
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        body = part(as_file(stored)) + b"--edge--"
        return httpx.Response(200, content=body, headers={"Content-Type": TYPE})

    came = client(answer).instance(Instance("1.2", "1.3", stored.sop_instance))
    assert came.fingerprint() == stored.fingerprint()
    assert asked[0].url.path.endswith(f"/studies/1.2/series/1.3/instances/{stored.sop_instance}")
    assert "transfer-syntax=*" in asked[0].headers["Accept"]


def as_file(stored: StoredObject) -> bytes:
    """A DICOM file with this object."""
    stream = DicomBytesIO()
    dcmwrite(stream, stored.dataset(), enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (TYPE, part(b"whole") + b"--edge\r\nContent-Type: application/dicom\r\n\r\ncut o"),
        (TYPE, b""),
        (TYPE, b"--edge\r\nno end of its headers\r\n--edge--"),
        ("application/json", json.dumps({}).encode()),
        ("multipart/related", part(b"x") + b"--edge--"),
    ],
)
def test_a_multipart_answer_that_is_not_whole_is_garbled(kind: str, body: bytes) -> None:
    with pytest.raises(Garbled):
        multipart(kind, body)


def test_parts_may_hold_anything() -> None:
    contents = [b"\r\n--edg\r\n\r\n\0", b"", b"--"]
    body = b"".join(part(content) for content in contents) + b"--edge--\r\n"
    assert multipart(TYPE, body) == contents


def test_two_objects_where_one_was_asked_for_are_garbled() -> None:
    body = part(b"a") + part(b"b") + b"--edge--"
    with pytest.raises(Garbled, match="with 2"):
        client(says(200, content=body, headers={"Content-Type": TYPE})).instance(
            Instance("1", "2", "3")
        )
