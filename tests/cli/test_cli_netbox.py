"""``wardship fleet import --netbox``: facilities that hold, or every wrong value and no file."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters import netbox
from orchestrator.fleet.load import load
from tests.cli.conftest import Wardship
from tests.cli.test_cli_import import files
from tests.fakes.netbox import TOKEN, NetBox


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[NetBox]:
    monkeypatch.setenv(netbox.TOKEN, TOKEN)
    found = NetBox()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


def test_netboxs_hospitals_are_declared_and_hold(
    wardship: Wardship, directory: Path, box: NetBox
) -> None:
    said = wardship("fleet", "import", "--netbox", box.url, "--json")
    assert said.code == 0, said.err
    written = ["facilities/mhlatane.yml", "facilities/tachott.yml"]
    assert json.loads(said.out)["written"] == written
    fleet = load(directory)
    host = fleet.facilities["mhlatane"].hosts["mhlatane-pacs"]
    assert [each.ae_title for each in host.modalities] == ["CT1", "WS1"]
    assert fleet.facilities["tachott"].timezone == "Africa/Nouakchott"
    assert TOKEN.encode() not in b"".join(files(directory).values())
    again = wardship("fleet", "import", "--netbox", box.url, "--json")
    assert json.loads(again.out)["unchanged"] == written


def test_a_wrong_value_is_told_with_its_device_and_nothing_is_written(
    wardship: Wardship, box: NetBox, tmp_path: Path
) -> None:
    wrong = json.loads(box.answers["dcim.devices"])
    wrong[1]["custom_fields"] |= {"ae_title": "mhlatane pacs of the hospital", "port": 424200}
    box.answers["dcim.devices"] = json.dumps(wrong)
    before = files(tmp_path)
    said = wardship("fleet", "import", "--netbox", box.url)
    assert said.code == 10
    assert "device mhlatane-pacs, custom_fields.ae_title: " in said.err
    assert "device mhlatane-pacs, custom_fields.port: " in said.err
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--role", "pacs"], "--role pacs: no role of a kind"),
        (["--role", "host=none", "--role", "modality=none", "--role", "workstation=none"],
         "NetBox has no machine with a role of none"),
        (["list.csv"], "a list and NetBox"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused(
    options: list[str], told: str, wardship: Wardship, box: NetBox
) -> None:
    said = wardship("fleet", "import", "--netbox", box.url, *options)
    assert said.code == 10
    assert told in said.err
