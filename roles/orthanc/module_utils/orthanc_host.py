"""Orthanc as it is found on its own host: configuration, web service, units, logs.

Used by the role's modules, and laid beside the host scripts as a file of its own: standard library
only, Python 3.9. Decides nothing. Refuses to guess: what cannot be read is a ``ProblemError`` with
the reason, and a password is never in a message or an argument list.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

#: Orthanc accepts comments in its JSON; strings must be stepped over to find them.
_STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


class ProblemError(Exception):
    """Why something could not be done or learned, in words for a person."""


def parsed(text):
    """The JSON of one configuration file, comments and all."""
    bare = _STRING_OR_COMMENT.sub(lambda m: m[0] if m[0].startswith('"') else " ", text)
    return json.loads(bare)


def configuration(directory):
    """Every ``*.json`` of the directory as one object, as Orthanc itself joins them."""
    files = sorted(Path(directory).glob("*.json"))
    if not files:
        raise ProblemError(f"there is no configuration in {directory}")
    joined = {}
    for path in files:
        try:
            found = parsed(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ProblemError(f"{path} cannot be read: {type(error).__name__}") from error
        twice = sorted(set(joined) & set(found))
        if twice:
            raise ProblemError(f"{path}: {', '.join(twice)} is configured in another file too")
        joined.update(found)
    return joined


class Web:
    """Orthanc's REST service, by the first account of its configuration: on this host's loopback,
    or at another of its addresses, where it sees a caller from outside.
    """

    def __init__(self, settings, address="127.0.0.1"):
        self._base = f"http://{address}:{settings.get('HttpPort', 8042)}"
        self._headers = {}
        for user, password in (settings.get("RegisteredUsers") or {}).items():
            pair = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers = {"Authorization": f"Basic {pair}"}
            break
        # A proxy of the environment must not see the hospital's traffic.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def call(self, method, path, body=None, timeout=10):
        """The parsed answer.

        Raises:
            ProblemError: no answer, another status than 200, or no JSON.
        """
        content = self.read(method, path, body=body, timeout=timeout)
        try:
            return json.loads(content) if content else None
        except ValueError as error:
            raise ProblemError(f"{method} {path} was answered with no JSON") from error

    def has(self, path):
        """Whether there is something under this path.

        Raises:
            ProblemError: no answer, or one that is neither yes nor no.
        """
        try:
            self.read("GET", path)
        except ProblemError as problem:
            if str(problem).endswith("answered with 404"):
                return False
            raise
        return True

    def read(self, method, path, body=None, timeout=10):
        """The answer as it comes.

        Raises:
            ProblemError: no answer, or another status than 200.
        """
        request = urllib.request.Request(  # noqa: S310 (the scheme is ours)
            self._base + path, data=body, method=method, headers=self._headers
        )
        try:
            with self._open(request, timeout=timeout) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise ProblemError(f"{method} {path} was answered with {error.code}") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ProblemError(f"{method} {path} was not answered: {reason}") from error


def unit(name):
    """What systemd says about a unit: ActiveState, SubState, LoadState, MainPID, UnitFileState."""
    names = "LoadState,ActiveState,SubState,MainPID,UnitFileState,ConditionResult"
    shown = run(["systemctl", "show", "--property", names, name])
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def ask_database(settings):
    """Log in at the index as Orthanc will: with a wrong password it would try for minutes.

    Raises:
        ProblemError: the database does not let this configuration in.
    """
    index = settings.get("PostgreSQL", {})
    if not index.get("EnableIndex") or "ConnectionUri" in index:
        return
    words = {
        "PGHOST": index.get("Host", "localhost"),
        "PGPORT": index.get("Port", 5432),
        "PGDATABASE": index.get("Database", "orthanc"),
        "PGUSER": index.get("Username", "postgres"),
        "PGPASSWORD": index.get("Password", ""),
        "PGCONNECT_TIMEOUT": 20,
    }
    environment = {**os.environ, **{name: str(value) for name, value in words.items()}}
    try:
        run(["psql", "-XAtwqc", "select 1"], timeout=30, env=environment)
    except ProblemError as problem:
        raise ProblemError(f"the database does not let Orthanc in: {problem}") from problem


def forget_failure(name):
    """A unit that has failed is made merely inactive: nothing else may be asked of it before."""
    if unit(name).get("ActiveState") == "failed":
        run(["systemctl", "reset-failed", name])


def run(argv, timeout=120, **options):
    """The output of a program.

    Raises:
        ProblemError: it failed, with the last line of its complaint, or the one that psql calls so.
    """
    try:
        ended = subprocess.run(
            argv, check=False, capture_output=True, text=True, timeout=timeout, **options
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProblemError(f"{argv[0]}: {error}") from error
    if ended.returncode:
        lines = (ended.stderr or ended.stdout).strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if re.match(r"(ERROR|FATAL):", line)), lines[-1])
        raise ProblemError(f"{' '.join(argv[:3])}: {reason}")
    return ended.stdout


def listens(port, proc=Path("/proc/net")):
    """Whether something listens on a TCP port of this host, without touching it."""
    wanted = f":{port:04X}"
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / table).read_text(encoding="ascii").splitlines()[1:]
        except FileNotFoundError:
            continue
        for fields in map(str.split, lines):
            if fields[1].endswith(wanted) and fields[3] == "0A":
                return True
    return False


def last_error(since, logs):
    """The last error that Orthanc logged after a moment (Unix time), or nothing."""
    try:
        files = [path for path in Path(logs).iterdir() if path.is_file() and not path.is_symlink()]
    except OSError:
        return ""
    recent = [path for path in files if path.stat().st_mtime >= since - 1]
    for path in sorted(recent, key=lambda each: each.stat().st_mtime, reverse=True):
        for line in reversed(path.read_text(encoding="utf-8", errors="replace").splitlines()):
            if re.match(r"E\d{4} ", line):
                return line.split("]", 1)[-1].strip() or line
    return ""


def until(condition, seconds, pause=0.1):
    """Ask ``condition`` until it says something true, and give that back; else its last word."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer or time.monotonic() >= deadline:
            return answer
        time.sleep(pause)


def settings():
    """What the role rendered beside the scripts."""
    return json.loads((Path(__file__).parent / "settings.json").read_text(encoding="utf-8"))


def environment(name):
    """A variable that the host program gives to its scripts.

    Raises:
        ProblemError: it is not there.
    """
    try:
        return os.environ[name]
    except KeyError:
        raise ProblemError(f"{name} is not set: call this through wardship-host") from None


def write_atomically(path, text):
    """A file that is there wholly or not at all, also after power loss. Mode 0600."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def ends(script):
    """Run a host script: its reason is the last line of standard error, its exit code 1."""
    try:
        script()
    except ProblemError as problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(1)
