"""Staged files are exactly what was rendered, and a difference never shows a secret."""

from __future__ import annotations

import grp
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from tests.unit.role_modules import shared_module

files: Any = shared_module("wardship_files")


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "live").mkdir()
    return {
        "dest": str(tmp_path / "staged"), "mode": "0750", "compare": str(tmp_path / "live"),
        "owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name,
        "masked": ["Password"],
        "files": [{"name": "a.json", "mode": "0640"}],
        "contents": {"a.json": json.dumps({"B": 1, "P": {"Password": "new-secret", "Host": "db"}})},
    }  # fmt: skip


def test_files_are_laid_down_once_with_their_modes(given: dict[str, Any]) -> None:
    assert files.wrong(given) == [given["dest"], "a.json"]
    files.lay_down(given)
    assert files.wrong(given) == []
    assert Path(given["dest"]).stat().st_mode & 0o777 == 0o750
    assert Path(given["dest"], "a.json").stat().st_mode & 0o777 == 0o640


def test_what_is_not_exactly_so_is_put_right(given: dict[str, Any]) -> None:
    files.lay_down(given)
    Path(given["dest"], "a.json").chmod(0o644)
    Path(given["dest"], "left-over").write_text("")
    assert files.wrong(given) == ["a.json", "left-over"]
    files.lay_down(given)
    assert [path.name for path in Path(given["dest"]).iterdir()] == ["a.json"]
    assert files.wrong(given) == []


def test_equal_settings_in_another_notation_are_no_difference(given: dict[str, Any]) -> None:
    Path(given["compare"], "a.json").write_text(
        '{ // as it was installed\n "P": {"Host": "db", "Password": "new-secret"},\n "B": 1 }'
    )
    assert files.difference(given) == []


def test_a_difference_shows_settings_and_hides_secrets(given: dict[str, Any]) -> None:
    live = {"B": 2, "P": {"Password": "old-secret", "Host": "db"}}
    Path(given["compare"], "a.json").write_text(json.dumps(live))
    (shown,) = files.difference(given)
    assert shown["before"].splitlines() == ["B = 2", 'P.Host = "db"', "P.Password = (secret)"]
    assert shown["after"].splitlines() == [
        "B = 1", 'P.Host = "db"', "P.Password = (another secret)"
    ]  # fmt: skip
    assert "-secret" not in json.dumps(shown)


def test_secrets_in_lists_and_addresses_are_hidden(given: dict[str, Any]) -> None:
    given["masked"] = ["OrthancPeers"]
    given["contents"]["a.json"] = json.dumps(
        {
            "OrthancPeers": {"other": ["http://peer/", "user", "hidden-1"]},
            "Servers": [{"Url": "https://user:hidden-2@peer/", "ApiToken": "hidden-3"}],
            "PostgreSQL": {"ConnectionUri": "host=db password=hidden-4 user=o"},
        }
    )
    (shown,) = files.difference(given)
    assert "hidden" not in json.dumps(shown)
    assert 'Servers[0].Url = "https://(secret)@peer/"' in shown["after"].splitlines()


@pytest.mark.parametrize(
    "text",
    [
        "url = postgresql://user:hid/den@x@db/orthanc",
        "  password: hidden",
        "export API_KEY='hidden here'",
        "Authorization: Bearer hidden-token",
        "fetch https://peer/x?token=hidden&y=1",
        "AccountKey=hidden==;EndpointSuffix=net",
        "-----BEGIN EC PRIVATE KEY-----\nhidden\n-----END EC PRIVATE KEY-----",
    ],
)
def test_a_plain_text_shows_its_lines_without_credentials(given: dict[str, Any], text: str) -> None:
    given["masked"] = []
    given["contents"]["a.json"] = text
    Path(given["compare"], "a.json").write_text(text.replace("hid", "hidhid"))
    (shown,) = files.difference(given)
    assert shown["before"] != shown["after"]
    assert "hid" not in json.dumps(shown)


def test_only_a_password_in_an_address_that_moved_is_a_difference(given: dict[str, Any]) -> None:
    given["contents"]["a.json"] = json.dumps({"Url": "https://user:hidden-2@peer/"})
    Path(given["compare"], "a.json").write_text(json.dumps({"Url": "https://user:hidden-1@peer/"}))
    (shown,) = files.difference(given)
    assert shown["before"] != shown["after"]
    assert "hidden" not in json.dumps(shown)


def test_a_live_file_that_is_no_json_is_a_difference(given: dict[str, Any]) -> None:
    Path(given["compare"], "a.json").write_text('{"Password": "old-secret"')
    (shown,) = files.difference(given)
    assert "not JSON" in shown["before"]


def test_a_file_that_is_no_json_is_not_shown_where_secrets_may_be(given: dict[str, Any]) -> None:
    Path(given["compare"], "a.json").write_text('{"Password": "old-secret"')
    assert "old-secret" not in json.dumps(files.difference(given))


def test_a_text_without_a_secret_is_not_taken_for_one_by_ansible(given: dict[str, Any]) -> None:
    """Ansible hides what equals a parameter that is not to be logged, as the contents are."""
    given["contents"]["a.json"] = text = "[Unit]\nDescription=a text\n"
    given["masked"] = []
    (shown,) = files.difference(given)
    assert shown["after"].splitlines() == text.splitlines()
    assert text not in shown["after"]
