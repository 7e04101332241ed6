"""``wardship fleet import`` of lists: facilities that hold, or every wrong cell and no file."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.fleet.load import load
from tests.builders_lists import (
    LIST,
    as_csv,
    as_workbook,
    changed,
    packed,
    parts,
)
from tests.cli.conftest import Said, Wardship


@pytest.fixture
def bring(wardship: Wardship, tmp_path: Path) -> Any:
    """Import this content into the fleet."""

    def bring(content: bytes, *options: str, name: str = "list.xlsx") -> Said:
        (tmp_path / name).write_bytes(content)
        return wardship("fleet", "import", str(tmp_path / name), *options)

    return bring


def files(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def problems(said: Said) -> list[str]:
    lines = said.err.splitlines()
    return [line.strip() for line in lines if line.startswith("  ")]


def refused(bring: Any, directory: Path, content: bytes, *options: str, **more: str) -> list[str]:
    """The problems of a list that is refused, after a look that nothing was written."""
    before = files(directory)
    said = bring(content, *options, **more)
    assert said.code == 10, said.out + said.err
    assert files(directory) == before
    return problems(said)


# -- what is taken -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.xlsx", as_workbook()),
        ("list.csv", as_csv()),
        ("semicolons.csv", as_csv(separator=";")),
        ("tabs.csv", as_csv(separator="\t")),
        ("excel.csv", b"\xef\xbb\xbf" + as_csv(separator=";").replace(b"\n", b"\r\n")),
        ("sep.csv", b"sep=;\r\n" + as_csv(separator=";")),
        ("blanks.csv", as_csv(changed({"A9": " ", "K2": " 4242 ", "G2": "\u00a010.9.0.1 "}))),
        ("titled.xlsx", as_workbook([["A ministry's hospitals"], [], *LIST], merged=["A1:D1"])),
        ("names.xlsx", as_workbook(changed({"J1": "AE title", "G1": "IP", "D1": "Time zone"}))),
        ("remarks.xlsx", as_workbook(changed({"L1": "Remarks", "L3": datetime.date(2026, 1, 1)}))),
        ("numbers.xlsx", as_workbook(changed({"K2": 4242.0, "K3": "104"}))),
    ],
)  # fmt: skip
def test_a_list_becomes_facilities_that_hold(
    bring: Any, directory: Path, name: str, content: bytes
) -> None:
    said = bring(content, name=name)
    assert said.code == 0, said.err
    fleet = load(directory)
    north = fleet.facilities["north"]
    assert (north.title, north.country, north.timezone) == ("North", "SZ", "Africa/Mbabane")
    host = north.hosts["pacs-n"]
    assert host.dicom
    assert (host.address, host.dicom.ae_title, host.dicom.port) == ("10.9.0.1", "NORTH", 4242)
    assert [(one.ae_title, one.address, one.port) for one in host.modalities] == [
        ("CT1", "10.9.0.2", 104), ("WS1", "10.9.0.3", 11112),
    ]  # fmt: skip
    assert [one.ae_title for one in fleet.facilities["south"].hosts["pacs-s"].modalities] == ["MR1"]


def test_secrets_that_the_role_needs_are_references(bring: Any, directory: Path) -> None:
    bring(as_workbook())
    host = load(directory).facilities["north"].hosts["pacs-n"]
    assert host.secrets["orthanc_database_password"].env == "PACS_N_ORTHANC_DATABASE_PASSWORD"


def test_a_fleet_with_a_vault_gets_the_vaults_names(bring: Any, directory: Path) -> None:
    (directory / "vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n")
    with (directory / "fleet.yml").open("a") as file:
        file.write("vault: {file: vault.yml}\n")
    assert bring(as_workbook()).code == 0
    host = load(directory).facilities["north"].hosts["pacs-n"]
    assert host.secrets["orthanc_database_password"].vault == "pacs_n_orthanc_database_password"


def test_settings_secrets_volumes_and_ssh_have_columns(bring: Any, directory: Path) -> None:
    more = {
        "L1": "setting:orthanc_plugins", "L2": "postgresql, dicomweb", "M1": "volume:live",
        "M2": "/srv/live", "N1": "secret:orthanc_database_password", "N2": "env:OTHER",
        "O1": "ssh_jump", "O2": "gate", "P1": "ssh_port", "P2": 2222,
    }  # fmt: skip
    said = bring(as_workbook(changed(more)))
    assert said.code == 0, said.err
    host = load(directory).facilities["north"].hosts["pacs-n"]
    assert host.settings == {"orthanc_plugins": ["postgresql", "dicomweb"]}
    assert host.volumes == {"live": "/srv/live"}
    assert host.secrets["orthanc_database_password"].env == "OTHER"
    assert host.ssh
    assert (host.ssh.jump, host.ssh.port, host.ssh.key) == ("gate", 2222, "id_ed25519")


def test_the_answer_says_what_was_written_and_that_nothing_is_ordered(bring: Any) -> None:
    said = bring(as_workbook())
    assert said.out.splitlines()[:2] == [
        "facilities/north.yml: written", "facilities/south.yml: written",
    ]  # fmt: skip
    assert said.last.startswith("2 facilities written, 0 unchanged, nothing ordered;")


def test_it_answers_in_json(bring: Any) -> None:
    answer = json.loads(bring(as_workbook(), "--json").out)
    assert answer["written"] == ["facilities/north.yml", "facilities/south.yml"]


def test_a_release_orders_nothing_and_what_is_missing_is_told(bring: Any, directory: Path) -> None:
    mandate = directory / "mandate.yml"
    text = mandate.read_text().replace("facilities: all", "facilities: [hospital-a]")
    mandate.write_text(text)
    said = bring(as_workbook())
    assert said.code == 0, said.err
    assert mandate.read_text() == text
    line = "note: not ordered yet; under orders in mandate.yml it would be: - {product: orthanc,"
    assert f'{line} release: "1.12.7", facilities: [north]}}' in said.out


def test_a_release_other_than_the_ordered_one_is_told(bring: Any) -> None:
    said = bring(as_workbook(changed({"I2": "1.10.1"})))
    assert "note: fleet!I2: 1.10.1 for north, but mandate.yml orders 1.12.7" in said.out


# -- facilities that are there -------------------------------------------------------------------


def test_a_facility_with_the_same_values_keeps_its_file(bring: Any, directory: Path) -> None:
    bring(as_workbook())
    north = directory / "facilities/north.yml"
    north.write_text("# mine\n" + north.read_text())
    before = files(directory)
    said = bring(as_workbook())
    assert said.code == 0
    assert files(directory) == before
    assert "facilities/north.yml: unchanged" in said.out


def test_a_facility_that_would_change_is_shown_and_stays(bring: Any, directory: Path) -> None:
    bring(as_workbook())
    other = as_workbook(changed({"G2": "10.9.0.7", "J3": "CT2"}))
    assert refused(bring, directory, other) == [
        "facilities/north.yml: hosts.pacs-n.address: 10.9.0.1 → 10.9.0.7",
        "facilities/north.yml: hosts.pacs-n.modalities.CT1.address: 10.9.0.2 goes",
        "facilities/north.yml: hosts.pacs-n.modalities.CT1.ae_title: CT1 goes",
        "facilities/north.yml: hosts.pacs-n.modalities.CT1.port: 104 goes",
        "facilities/north.yml: hosts.pacs-n.modalities.CT1.tls: False goes",
        "facilities/north.yml: hosts.pacs-n.modalities.CT2.address: 10.9.0.2 comes",
        "facilities/north.yml: hosts.pacs-n.modalities.CT2.ae_title: CT2 comes",
        "facilities/north.yml: hosts.pacs-n.modalities.CT2.port: 104 comes",
        "facilities/north.yml: hosts.pacs-n.modalities.CT2.tls: False comes",
    ]


def test_with_replace_it_is_replaced_and_told(bring: Any, directory: Path) -> None:
    bring(as_workbook())
    said = bring(as_workbook(changed({"G2": "10.9.0.7"})), "--replace")
    assert said.code == 0
    assert "facilities/north.yml: hosts.pacs-n.address: 10.9.0.1 → 10.9.0.7" in said.out
    assert load(directory).facilities["north"].hosts["pacs-n"].address == "10.9.0.7"


def test_other_facilities_stay_as_they_are(bring: Any, directory: Path) -> None:
    before = (directory / "facilities/hospital-a.yml").read_bytes()
    bring(as_workbook())
    assert (directory / "facilities/hospital-a.yml").read_bytes() == before


# -- wrong cells ---------------------------------------------------------------------------------

AE = "expected an AE title: capital letters, digits, '_', '.', '-', at most 16"
NUMBER = "expected text: 1.10 and 1.1 are one number here, and so are 007 and 7; format the cell as text and write it again"  # fmt: skip # noqa: E501
WRONG: list[tuple[dict[str, object], list[str]]] = [
    ({"J2": "NORTHERN-HOSPITAL1"}, [
        f"fleet!J2: hosts.pacs-n.dicom.ae_title: NORTHERN-HOSPITAL1, {AE}"]),
    ({"I2": 1.1}, [f"fleet!I2: a number (1.1), {NUMBER}"]),
    ({"I2": "1.99"}, [
        "fleet!I2: no release 1.99 of orthanc, expected one of 1.10.1, 1.12.7, 1.13.0"]),
    ({"I2": datetime.date(2026, 1, 10)}, [
        "fleet!I2: a date (2026-01-10 00:00:00), expected the value itself: format the cell as"
        " text and write it again"]),
    ({"G3": "=G2"}, [
        "fleet!G3: a formula, expected the value itself: copy it and paste it as a value"]),
    ({"G3": "#REF!"}, [
        "fleet!G3: an error of the spreadsheet (#REF!), expected the value itself: write the"
        " value"]),
    ({"C2": True}, [
        "fleet!C2: True is true or false here, expected text: format the cell as text and write"
        " it again"]),
    ({"C2": "Swaziland"}, [
        'fleet!C2: country: Swaziland, expected a country in two capital letters, such as "SZ"']),
    ({"D2": "Africa/Lobamba"}, [
        "fleet!D2: timezone: Africa/Lobamba: no such time zone; expected an IANA name such as"
        " Africa/Mbabane"]),
    ({"D2": None}, ["fleet!A2: timezone: missing, expected it here"]),
    ({"D3": "Africa/Maputo"}, [
        "fleet!D3: timezone: Africa/Maputo, but fleet!D2 says Africa/Mbabane for north too,"
        " expected one of them"]),
    ({"A3": None}, ["fleet!A3: facility: missing in this row, expected its name"]),
    ({"A3": "../north"}, [
        "fleet!A3: facility: ../north, expected small letters, digits and '-', a letter first, at"
        " most 40"]),
    ({"E3": "scanner"}, [
        "fleet!E3: kind: scanner, expected host, modality or workstation"]),
    ({"F3": "pacs-x"}, [
        "fleet!F3: host: no host pacs-x at north, expected one of its rows of kind host: pacs-n"]),
    ({"G2": None}, ["fleet!F2: hosts.pacs-n.address: missing, expected it here"]),
    ({"G5": "10.9.0.1"}, [
        "fleet!G5: address 10.9.0.1 is declared in fleet!G2 too, expected one host each"]),
    ({"F5": "pacs-n"}, ["fleet!F5: host pacs-n is in fleet!F2 too, expected it once"]),
    ({"H2": "horos"}, [
        "fleet!H2: no product horos in the catalog, expected one of orthanc"]),
    ({"H3": "orthanc"}, [
        "fleet!H3: product: does not belong into a row of kind modality, expected it empty"]),
    ({"J4": "CT1"}, ["fleet!J4: modality CT1 is declared in fleet!J3 too"]),
    ({"K3": "many"}, ["fleet!K3: many, expected a whole number"]),
    ({"K3": 65536}, [
        "fleet!K3: hosts.pacs-n.modalities.0.port: 65536, expected less than or equal to 65535"]),
    ({"K3": 104.5}, ["fleet!K3: 104.5, expected a whole number"]),
    ({"L1": "tls", "L3": "maybe"}, ["fleet!L3: maybe, expected yes or no"]),
    ({"L1": "web_password", "L2": "hunter2"}, [
        "fleet!L2: this is no reference, expected env:NAME or vault:name, never the secret"
        " itself"]),
    ({"L1": "secret:orthanc_database_password", "L2": "env:Hunter2"}, [
        "fleet!L2: hosts.pacs-n.secrets.orthanc_database_password.env: this value, expected the"
        " name of an environment variable"]),
    ({"L1": "setting:orthanc_database_password", "L2": "hunter2"}, [
        "fleet!L2: a secret, expected it as secret:NAME with a reference, never the secret"
        " itself"]),
    ({"L1": "setting:orthanc_extra", "L2": "{}"}, [
        "fleet!L2: a dict, which no cell can hold, expected it in the facility's file"]),
    ({"L1": "adress"}, [
        "fleet!L1: no column adress, expected address, or remarks for what is not to be read"]),
    ({"B1": "title", "L1": "Title"}, [
        "fleet!L1: the column title is in fleet!B1 too, expected it once"]),
    ({"L2": "stray"}, [
        "fleet!L2: a value in a column without a name, expected a name in the header"]),
    ({"A2": 7}, [f"fleet!A2: a number (7), {NUMBER}"]),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "told"), WRONG, ids=[" ".join(map(str, c)) + f" {n}"
                         for n, (c, _) in enumerate(WRONG)])  # fmt: skip
def test_a_wrong_cell_is_told_where_it_is(
    bring: Any, directory: Path, cells: dict[str, object], told: list[str]
) -> None:
    assert refused(bring, directory, as_workbook(changed(cells))) == told


def test_all_wrong_cells_are_told_at_once_as_a_reader_meets_them(
    bring: Any, directory: Path
) -> None:
    found = refused(bring, directory, as_csv(changed({"K5": "x", "J3": "ct", "C2": "sz"})),
                    name="list.csv")  # fmt: skip
    assert [each.partition(":")[0] for each in found] == [
        "list.csv!C2", "list.csv!J3", "list.csv!K5",
    ]  # fmt: skip


def test_merged_cells_are_told_row_by_row(bring: Any, directory: Path) -> None:
    assert refused(bring, directory, as_workbook(merged=["A2:A3"])) == [
        f"fleet!A{row}: merged cells (A2:A3), expected the value itself: unmerge it and fill each"
        " row"
        for row in (2, 3)
    ]  # fmt: skip


def test_a_secret_in_a_wrong_place_is_not_repeated(bring: Any) -> None:
    for column in ("web_password", "secret:orthanc_database_password"):
        said = bring(as_workbook(changed({"L1": column, "L2": "hunter2"})))
        assert said.code == 10
        assert "hunter2" not in said.out + said.err


def test_a_facility_behind_a_link_out_of_the_fleet_is_refused(
    bring: Any, directory: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.yml").write_text("mine")
    (directory / "facilities/north.yml").symlink_to(tmp_path / "elsewhere.yml")
    said = bring(as_workbook(), "--replace")
    assert said.code == 10
    assert (tmp_path / "elsewhere.yml").read_text() == "mine"


# -- files that are no list ----------------------------------------------------------------------

NO_LIST: list[tuple[str, bytes, str]] = [
    ("latin.csv", as_csv(changed({"B2": "Clínica"})).decode().encode("latin-1"),
     "latin.csv:2: not UTF-8, expected text saved as UTF-8"),
    ("quotes.csv", as_csv() + b'"north,"x"y\n', "quotes.csv:7: not CSV"),
    ("book.csv", as_workbook(), "book.csv: a workbook, not CSV"),
    ("empty.csv", b"", "empty.csv: no header"),
    ("header.csv", as_csv(LIST[:1]), "header.csv: no rows below the header"),
    ("text.xlsx", b"facility,kind\n", "text.xlsx: no workbook, expected an .xlsx"),
    ("old.xlsx", b"\xd0\xcf\x11\xe0" + b"\0" * 512, "old.xlsx: an old .xls, or protected"),
    ("cut.xlsx", as_workbook()[:2000], "cut.xlsx: no workbook"),
    ("large.csv", b"x" * ((10 << 20) + 1), "large.csv: larger than 10 MiB"),
    ("long.csv", b"facility,kind,host\n" + b"\n" * 20_001, "long.csv:20001: more than 20000 rows"),
    ("wide.csv", b"," * 300, "wide.csv:1: more than 20000 rows or 200 columns"),
    ("far.xlsx", as_workbook(changed({"A30000": "north"})), "far.xlsx: more than 20000 rows"),
    ("bomb.xlsx", packed(parts(as_workbook()) | {"xl/media/x.bin": b"\0" * (30 << 20)}),
     "bomb.xlsx: unpacks to more than 24 MiB"),
    ("broken.xlsx", packed(parts(as_workbook()) | {"xl/workbook.xml": b"<a"}),
     "broken.xlsx: cannot be read as a workbook"),
    ("two.xlsx", as_workbook(sheets=("north", "south")),
     "two.xlsx: 2 sheets, and none of them is named fleet"),
    ("list.ods", b"PK", "list.ods: neither .csv nor .xlsx"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "told"), NO_LIST, ids=[each[0] for each in NO_LIST])
def test_a_file_that_is_no_list_is_refused(
    bring: Any, directory: Path, name: str, content: bytes, told: str
) -> None:
    before = files(directory)
    said = bring(content, name=name)
    assert said.code == 10
    assert said.err.startswith(f"wardship: {told}"), said.err
    assert files(directory) == before


def test_rows_that_were_only_formatted_are_no_rows(bring: Any) -> None:
    sheet = "xl/worksheets/sheet1.xml"
    contents = parts(as_workbook())
    far = b'<row r="1048576"><c r="A1048576" t="n"/></row></sheetData>'
    contents[sheet] = contents[sheet].replace(b"</sheetData>", far)
    assert bring(packed(contents)).code == 0


def test_a_row_number_without_end_ends(bring: Any) -> None:
    sheet = "xl/worksheets/sheet1.xml"
    contents = parts(as_workbook())
    far = b'<row r="99999999999"><c r="A99999999999" t="n"><v>1</v></c></row></sheetData>'
    contents[sheet] = contents[sheet].replace(b"</sheetData>", far)
    assert bring(packed(contents)).code == 10


def test_an_xml_bomb_is_refused(bring: Any) -> None:
    entities = "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 20}">' if n else '<!ENTITY a0 "xxxxxxxxxx">'
        for n in range(12)
    )
    text = parts(as_workbook())["xl/worksheets/sheet1.xml"].decode()
    text = text.replace("<worksheet", f"<!DOCTYPE x [{entities}]><worksheet", 1)
    text = text.replace("<sheetData>", "<sheetData>&a11;")
    contents = parts(as_workbook()) | {"xl/worksheets/sheet1.xml": text.encode()}
    assert bring(packed(contents)).code == 10


def test_a_sheet_is_chosen_by_name(bring: Any) -> None:
    content = as_workbook(sheets=("north", "south"))
    assert bring(content, "--sheet", "north").code == 0
    assert "there are: north, south" in bring(content, "--sheet", "east").err


def test_a_fleet_that_does_not_hold_is_told_first(bring: Any, directory: Path) -> None:
    (directory / "catalog.yml").write_text("products: 7\n")
    said = bring(as_workbook())
    assert said.code == 10
    assert "catalog.yml:1: products: 7, expected a mapping" in said.err


def test_what_is_wrong_elsewhere_in_the_fleet_refuses_too(bring: Any, directory: Path) -> None:
    a = directory / "facilities/hospital-a.yml"
    a.write_text(a.read_text().replace("CT1", "ct1"))
    (found,) = refused(bring, directory, as_workbook())
    assert found.startswith("facilities/hospital-a.yml:14: hosts.pacs-a.modalities.0.ae_title: ct1")


def test_an_import_that_failed_half_way_leaves_every_file(
    bring: Any, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(directory)
    wrote = Path.write_text

    def full(path: Path, data: str, **options: Any) -> int:
        if path.name == ".south.yml.partial":
            raise OSError(28, "No space left on device", str(path))
        return wrote(path, data, **options)

    monkeypatch.setattr(Path, "write_text", full)
    assert bring(as_workbook()).code == 74
    assert files(directory) == before


# -- the table to fill in ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["table.xlsx", "table.csv"])
def test_the_table_to_fill_in_holds_as_it_is(
    wardship: Wardship, directory: Path, tmp_path: Path, name: str
) -> None:
    for path in (directory / "facilities").iterdir():
        path.unlink()
    assert wardship("fleet", "import", "--template", str(tmp_path / name)).code == 0
    said = wardship("fleet", "import", str(tmp_path / name))
    assert said.code == 0, said.err
    declared = yaml.safe_load((directory / "facilities/hospital-b.yml").read_text())
    titles = [one["ae_title"] for one in declared["hosts"]["pacs-b"]["modalities"]]
    assert titles == ["CT1", "WS1"]


def test_a_table_that_is_there_stays(wardship: Wardship, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("mine")
    assert wardship("fleet", "import", "--template", str(tmp_path / "table.csv")).code == 10
    assert (tmp_path / "table.csv").read_text() == "mine"


def test_nothing_to_import_says_how(wardship: Wardship) -> None:
    said = wardship("fleet", "import")
    assert said.code == 10
    assert "wardship fleet import --template FILE.xlsx" in said.err
