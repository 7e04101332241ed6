"""The synthetic archive: always the same, obviously invented, with the studies that get lost."""

from __future__ import annotations

import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from orchestrator.lab import seed, studies
from orchestrator.lab.studies import Archive

WHOLE = Archive("a")


@pytest.fixture(scope="module")
def objects() -> list[Dataset]:
    """The archive as it is read back from its files."""
    return [dcmread(BytesIO(studies.as_file(made))) for made in studies.generate(WHOLE)]


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again = (
        [studies.as_file(made) for made in studies.study(Archive("a"), 3)] for _ in range(2)
    )
    assert first == again


@pytest.mark.parametrize("other", [Archive("b"), Archive("a", seed=2)])
def test_another_site_or_seed_shares_no_uid(other: Archive) -> None:
    mine, others = (
        {made.SOPInstanceUID for made in studies.study(archive, 1)} for archive in (WHOLE, other)
    )
    assert not mine & others


def test_it_is_as_large_as_a_small_hospital(objects: list[Dataset]) -> None:
    assert len({found.StudyInstanceUID for found in objects}) == 40
    assert 250 < len(objects) < 350
    assert len({found.SOPInstanceUID for found in objects}) == len(objects)


def test_every_modality_and_transfer_syntax_is_in_it(objects: list[Dataset]) -> None:
    modalities = Counter(found.Modality for found in objects)
    assert set(modalities) == {"CT", "MR", "DX", "CR", "US", "SC"}
    syntaxes = {found.file_meta.TransferSyntaxUID.keyword for found in objects}
    assert syntaxes == {"ExplicitVRLittleEndian", "ImplicitVRLittleEndian", "RLELossless"}


def test_the_pixels_can_be_decoded(objects: list[Dataset]) -> None:
    seen = {(found.Modality, found.file_meta.TransferSyntaxUID): found for found in objects}
    for found in seen.values():
        shape = found.pixel_array.shape
        assert found.Rows in shape
        assert found.pixel_array.any()


def test_one_study_has_no_date_and_one_an_empty_one(objects: list[Dataset]) -> None:
    dates = {found.StudyInstanceUID: found.get("StudyDate") for found in objects}
    assert Counter(dates.values())[None] == 1
    assert Counter(dates.values())[""] == 1


def test_names_in_every_charset_are_read_back_and_say_that_they_are_invented(
    objects: list[Dataset],
) -> None:
    names = {(found.get("SpecificCharacterSet"), str(found.PatientName)) for found in objects}
    assert {charset for charset, _ in names} == {None, "ISO_IR 100", "ISO_IR 127", "ISO_IR 192"}
    words = ("SYNTHETIC", "SINTÉTICO", "SYNTHÉTIQUE", "اصطناعي")
    assert all(any(word in name for word in words) for _, name in names)
    assert all(found.PatientID.startswith("LAB-") for found in objects)


def test_uids_are_legal(objects: list[Dataset]) -> None:
    for found in objects:
        for uid in (found.SOPInstanceUID, found.SeriesInstanceUID, found.StudyInstanceUID):
            assert uid.is_valid
            assert uid.startswith("2.25.")


def test_the_prepared_archive_lists_what_is_in_it(tmp_path: Path) -> None:
    wanted = seed.prepare(Archive("a", studies=3), cache=tmp_path)
    with zipfile.ZipFile(wanted.zip) as packed:
        inside = [dcmread(BytesIO(packed.read(name))) for name in packed.namelist()]
    assert [found.SOPInstanceUID for found in inside] == [each.sop for each in wanted.objects]


def test_a_damaged_prepared_archive_is_made_again(tmp_path: Path) -> None:
    archive = Archive("a", studies=1)
    wanted = seed.prepare(archive, cache=tmp_path)
    whole = wanted.zip.read_bytes()
    wanted.zip.write_bytes(whole[:-100])
    assert seed.prepare(archive, cache=tmp_path).zip.read_bytes() == whole
