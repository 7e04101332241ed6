"""A DICOMweb client: QIDO-RS and WADO-RS (DICOM PS3.18 sections 10.6 and 10.4).

Gives what was asked for or raises a ``WireError``. Names and ids of patients, which a server sends
along with every match, go no further than this module.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin

import httpx

from orchestrator.wire.errors import (
    Cut,
    Declined,
    Garbled,
    NotConnected,
    NotOffered,
    Silent,
    WireError,
)
from orchestrator.wire.objects import StoredObject, read_file

STUDY_UID, INSTANCES = "0020000D", "00201208"
#: "There are more results" (PS3.18 section 8.3.4.4).
MORE = "299"


@dataclass(frozen=True)
class Instance:
    """Where an object lies in its study."""

    study: str
    series: str
    instance: str


class WebClient:
    """Talks to one DICOMweb root. ``timeout``: seconds without an answer.

    A connection a request: an idle one may be closed just as it is used again, which looks as if
    the server had failed.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/") + "/"
        self._timeout = timeout
        self._client = httpx.Client(
            auth=(user, password or "") if user else None,
            timeout=timeout,
            trust_env=False,
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
        """Close what is open."""
        self._client.close()

    def studies(self) -> dict[str, int]:
        """QIDO-RS: every study's UID and number of instances, all pages of it.

        A study that is there twice (under two patient ids) counts with all its instances.

        Raises:
            WireError: no complete answer.
        """
        found: Counter[str] = Counter()
        matches = 0
        while True:
            query = {"includefield": INSTANCES} | ({"offset": str(matches)} if matches else {})
            response = self.get("studies", params=query, accept="application/dicom+json")
            page = _studies(response)
            for study, count in page:
                found[study] += count
            matches += len(page)
            if not page or MORE not in response.headers.get("warning", ""):
                return dict(found)

    def instance(self, where: Instance, *, syntax: str = "*") -> StoredObject:
        """WADO-RS: one object, in the transfer syntax ``syntax`` (by default as it is stored).

        Raises:
            WireError: no such object, or not exactly one.
        """
        response = self.get(
            f"studies/{where.study}/series/{where.series}/instances/{where.instance}",
            accept=f'multipart/related; type="application/dicom"; transfer-syntax={syntax}',
        )
        parts = multipart(response.headers.get("content-type", ""), response.content)
        if len(parts) != 1:
            raise Garbled(f"{self.url} answers WADO-RS for one object with {len(parts)}")
        return read_file(parts[0])

    def get(
        self, path: str, *, params: dict[str, str] | None = None, accept: str = "application/json"
    ) -> httpx.Response:
        """GET below the root; a path that begins with a slash is below the server's.

        Raises:
            WireError: anything but an answer with status 200 or 204.
        """
        what = f"GET {urljoin(self.url, path)}"
        try:
            response = self._client.get(
                urljoin(self.url, path), params=params, headers={"Accept": accept}
            )
        except httpx.HTTPError as error:
            raise self._broken(what, error) from None
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NotOffered(f"{what} answers 404")
        if response.status_code not in (httpx.codes.OK, httpx.codes.NO_CONTENT):
            raise Declined(f"{what} answers {response.status_code}", status=response.status_code)
        return response

    def _broken(self, what: str, error: httpx.HTTPError) -> WireError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return NotConnected(f"{what}: no connection")
        if isinstance(error, httpx.TimeoutException):
            return Silent(f"{what}: no answer within {self._timeout:.0f} s")
        if isinstance(error, httpx.DecodingError):
            return Garbled(f"{what}: an answer that cannot be decoded")
        return Cut(f"{what}: the connection ended before the answer was complete")


def _studies(response: httpx.Response) -> list[tuple[str, int]]:
    if response.status_code == httpx.codes.NO_CONTENT:
        return []
    try:
        body: list[dict[str, Any]] = response.json()
        return [
            (str(study[STUDY_UID]["Value"][0]), int(study[INSTANCES]["Value"][0])) for study in body
        ]
    except (ValueError, KeyError, IndexError, TypeError):
        raise Garbled(
            f"{response.url} answers QIDO-RS without study UIDs and counts, or no JSON"
        ) from None


def multipart(content_type: str, body: bytes) -> list[bytes]:
    """The parts of a multipart/related body (RFC 2046 section 5.1.1), without their headers.

    Raises:
        Garbled: no boundary, or the closing one is missing: the answer was cut off.
    """
    named = re.search(r'boundary="?([^";,\s]+)"?', content_type)
    if "multipart/related" not in content_type or named is None:
        raise Garbled(
            f"an answer of type {content_type or 'nothing'} where multipart was asked for"
        )
    mark = b"--" + named.group(1).encode("ascii", "replace")
    chunks = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(chunks) < 2 or not chunks[-1].startswith(b"--"):
        raise Garbled("a multipart answer without its end")
    parts = []
    for chunk in chunks[1:-1]:
        header, separator, content = chunk.partition(b"\r\n\r\n")
        if not separator and header:
            raise Garbled("a part of a multipart answer without its content")
        parts.append(content)
    return parts
