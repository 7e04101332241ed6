"""GNU Health's JSON-RPC on loopback, as far as the bridge goes: both series, with their rules.

Records in memory. Who is not logged in gets 401; a field that a series does not have, a number that
is there already, a step that the workflow does not know are ``UserError``s, as Tryton has them.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PARTY, PATIENT = "party.party", "gnuhealth.patient"
ORDER, RESULT = "gnuhealth.imaging.test.request", "gnuhealth.imaging.test.result"
TEST, DOCTOR = "gnuhealth.imaging.test", "gnuhealth.healthprofessional"
EVALUATION = "gnuhealth.patient.evaluation"
#: The number of an order's study, and what each begins with.
STUDY, STUDIES = "merge_id", "1.2.836.0.1.3240043.7.198."
USER, PASSWORD = "bridge", "synthetic"
Record = dict[str, Any]


class RefusedError(Exception):
    """What Tryton would refuse."""


@dataclass
class FakeGnuHealth:
    """``series``: 6 is GNU Health 4.4, 7 is 5.0."""

    series: int = 6
    records: dict[str, dict[int, Record]] = field(default_factory=dict)
    #: Sessions that are let in.
    sessions: set[str] = field(default_factory=set)
    #: Model methods that were called, writes and creates told apart from reads.
    called: list[str] = field(default_factory=list)
    #: Raised by the named method once, before (False) or after (True) it was done.
    breaks: dict[str, bool] = field(default_factory=dict)
    #: Whether the modules are there that give an order's study its number.
    numbers_studies: bool = False
    port: int = 0
    #: Log-ins that were refused.
    refused: int = 0

    def __post_init__(self) -> None:
        for model in (PARTY, PATIENT, ORDER, RESULT, TEST, DOCTOR, EVALUATION):
            self.records[model] = {}
        self.add(TEST, code="CTHD", name="Head", active=True)
        self.add(TEST, code="CRTHX", name="Chest", active=True)
        doctor = self.person("DOC", "Doctor", "Probe")
        self.add(DOCTOR, code="D-1", rec_name="Doctor, Probe", party=doctor)
        relations = [
            (ORDER, "patient"), (RESULT, "patient"), (EVALUATION, "patient"),
            ("gnuhealth.patient.imaging.test.request.start", "patient"),
        ]  # fmt: skip
        for model, name in relations:
            self.add("ir.model.field", name=name, model=model, relation=PATIENT, ttype="many2one")

    @property
    def person_field(self) -> str:
        return "party" if self.series >= 7 else "name"

    def add(self, model: str, /, **values: Any) -> int:
        """A record as it lies there."""
        table = self.records.setdefault(model, {})
        number = max(table, default=0) + 1
        table[number] = {"id": number, **values}
        return number

    def person(self, ref: str, family: str, given: str, **more: Any) -> int:
        """A person as it lies there."""
        values = {
            "ref": ref, "lastname": family, "name": given, "gender": "u", "dob": None,
            "active": True, "is_person": True, "is_patient": False,
        }  # fmt: skip
        return self.add(PARTY, **(values | more))

    def of(self, model: str, /, **values: Any) -> list[Record]:
        """The records with these values."""
        found = self.records[model].values()
        return [one for one in found if all(one.get(k) == v for k, v in values.items())]

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its URL, while it listens."""
        fake = self

        class Desk(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                code, answer = fake.answer(body, self.headers.get("Authorization", ""))
                content = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{self.port}"
        finally:
            server.shutdown()
            server.server_close()

    def answer(self, body: Record, session: str) -> tuple[int, Record]:
        """HTTP status and envelope of one call."""
        method, given = body["method"], body["params"]
        if method == "common.server.version":
            return 200, {"id": 1, "result": f"{self.series}.0.1"}
        if method == "common.db.login":
            user, told = given
            if (user, told["password"]) != (USER, PASSWORD):
                self.refused += 1
                return 401, {}
            key = base64.b64encode(f"{user}:1:key{len(self.sessions)}".encode()).decode()
            self.sessions.add(f"Session {key}")
            return 200, {"id": 1, "result": [1, f"key{len(self.sessions) - 1}"]}
        if session not in self.sessions:
            return 401, {}
        model, _, name = method.removeprefix("model.").rpartition(".")
        try:
            return 200, {"id": 1, "result": self._done(model, name, given[:-1])}
        except RefusedError as refused:
            return 200, {"id": 1, "error": ["UserError", [str(refused), "", None]]}

    def _done(self, model: str, name: str, given: list[Any]) -> Any:
        what = f"{model}.{name}"
        if what == "res.user.get_preferences":
            return {"language": "en"}
        if name not in ("search_read", "search_count", "fields_get"):
            self.called.append(what)
        is_after = self.breaks.pop(what, None)
        if is_after is False:
            raise RefusedError("broken")
        result = getattr(self, f"_{name}")(model, *given)
        if is_after:
            raise RefusedError("broken")
        return result

    def _fields_get(self, model: str, names: list[str]) -> Record:
        """Of those that are there; others are passed over."""
        self._require(model == ORDER, f"no model {model}")
        there = ["request", "patient", *([STUDY] if self.numbers_studies else [])]
        return {name: {"type": "char"} for name in names if name in there}

    def _search_count(self, model: str, domain: list[Any]) -> int:
        return len(self._search(model, domain))

    def _search_read(
        self, model: str, domain: list[Any], _at: int, limit: int | None, _order: Any, names: Any
    ) -> list[Record]:
        found = [self._read(model, one, names) for one in self._search(model, domain)]
        return found[:limit]

    def _create(self, model: str, rows: list[Record]) -> list[int]:
        made = []
        for row in rows:
            values = dict(row)
            if model == PARTY:
                self._require(not self.of(PARTY, ref=values["ref"]), "the PUID must be unique")
                values = {"active": True} | values
            elif model == PATIENT:
                self._require(self.person_field in values, "the person is required")
                values |= {"active": True}
            elif model == ORDER:
                line = f"{values['request']}-01-01"
                values |= {"state": "draft", "request_line": line, "create_date": {"second": 0}}
                if self.numbers_studies:
                    values[STUDY] = f"{STUDIES}{len(self.records[ORDER]) + 1}"
            made.append(self.add(model, **values))
        return made

    def _write(self, model: str, ids: list[int], values: Record) -> None:
        for number in ids:
            self.records[model][number] |= values

    def _requested(self, model: str, ids: list[int]) -> None:
        for number in ids:
            order = self.records[model][number]
            self._require(order["state"] == "draft", "no such step")
            order["state"] = "requested"

    def _require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise RefusedError(otherwise)

    def _search(self, model: str, domain: list[Any]) -> list[Record]:
        self._require(model in self.records, f"no model {model}")
        told = json.dumps(domain)
        found = [one for one in self.records[model].values() if self._fits(model, one, domain)]
        if '"active"' in told:
            return found
        return [one for one in found if self._value(model, one, "active") is not False]

    def _fits(self, model: str, one: Record, domain: list[Any]) -> bool:
        if domain[:1] == ["OR"]:
            return any(self._clause(model, one, clause) for clause in domain[1:])
        return all(self._clause(model, one, clause) for clause in domain)

    def _clause(self, model: str, one: Record, clause: list[Any]) -> bool:
        if clause[:1] == ["OR"] or isinstance(clause[0], list):
            return self._fits(model, one, clause)
        name, operator, wanted = clause
        value = self._value(model, one, name)
        if operator in (">=", "<"):
            both = [_when(each) for each in (value, wanted)]
            return both[0] >= both[1] if operator == ">=" else both[0] < both[1]
        if operator == "like":
            return str(value).startswith(wanted.removesuffix("%"))
        return value in wanted if operator == "in" else bool(value == wanted)

    def _value(self, model: str, one: Record, name: str) -> Any:
        if model == PATIENT and name in ("name", "party"):
            self._require(name == self.person_field, f"no field {name}")
        if name == STUDY:
            self._require(self.numbers_studies, f"no field {name}")
        return one.get(name)

    def _read(self, model: str, one: Record, names: list[str]) -> Record:
        found: Record = {"id": one["id"]}
        for name in names:
            first, _, rest = name.partition(".")
            value = self._value(model, one, first)
            if not rest:
                found[name] = value
                continue
            kept = found.setdefault(f"{first}.", {})
            if model == "ir.model.field" and first == "model":
                kept["model"] = value
                continue
            there = self._related(model, first)
            below = self._read(there, self.records[there][value], [rest])
            for key, inner in below.items():
                if isinstance(inner, dict) and isinstance(kept.get(key), dict):
                    kept[key] |= inner
                else:
                    kept[key] = inner
        return found

    def _related(self, model: str, name: str) -> str:
        if model == PATIENT:
            return PARTY
        return {"patient": PATIENT, "requested_test": TEST, "doctor": DOCTOR}[name]


def _when(value: Record) -> tuple[int, ...]:
    return tuple(value[name] for name in ("year", "month", "day", "hour", "minute", "second"))
