"""Data folders are ours and whole, or the error says what is wrong; one stack at a time holds one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hookline.embedded import kafka_folder
from hookline.embedded.errors import (
    DataFolderCorrupt,
    DataFolderForeign,
    DataFolderInUse,
    DataFolderUnusable,
    NoWritePermission,
)
from hookline.embedded.lock import lock_folder
from tests.support.wait import eventually

META = "version=1\nnode.id=1\ncluster.id=AbC\n"


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    folder = tmp_path / "kafka"
    folder.mkdir()
    kafka_folder.write_configuration(folder, 21_001, 21_002)
    (folder / "records").mkdir()
    (folder / "records" / "meta.properties").write_text(META)
    return folder


def test_an_empty_folder_and_one_of_ours_are_accepted(tmp_path: Path, ours: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    kafka_folder.check(empty)
    kafka_folder.check(ours)
    assert kafka_folder.read_cluster_id(ours) == "AbC"
    assert kafka_folder.remembered_ports(ours) == (21_001, 21_002)


def test_a_folder_with_other_peoples_files_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataFolderForeign, match=r"thesis\.txt") as caught:
        kafka_folder.check(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "content", [b"", b"version=1\nnode.id=1\n", b"node.id=7\ncluster.id=AbC\n", b"\xff\xfe\x00\x81"]
)
def test_a_damaged_description_of_the_folder_is_reported_with_what_to_do(ours: Path, content: bytes) -> None:
    (ours / "records" / "meta.properties").write_bytes(content)
    with pytest.raises(DataFolderCorrupt, match="Restore it from a copy, or move it away") as caught:
        kafka_folder.check(ours)
    assert str(ours) in str(caught.value)


def test_a_missing_description_of_the_folder_is_damage(ours: Path) -> None:
    (ours / "records" / "meta.properties").unlink()
    with pytest.raises(DataFolderCorrupt, match="missing"):
        kafka_folder.check(ours)


def test_a_comma_in_the_path_is_refused_since_kafka_would_split_it(tmp_path: Path) -> None:
    folder = tmp_path / "a,b"
    folder.mkdir()
    with pytest.raises(DataFolderUnusable, match="comma"):
        kafka_folder.check(folder)


def test_formatting_is_all_or_nothing(ours: Path) -> None:
    half = ours / "records.formatting"
    half.mkdir()
    (half / "rest").write_text("of a killed format")
    assert not kafka_folder.prepare_format(ours).exists()


def test_paths_are_escaped_as_java_reads_them() -> None:
    text = kafka_folder.properties(Path("/data/Ünïcode"), 1, 2)
    assert "log.dirs=/data/\\u00dcn\\u00efcode/records\n" in text


def test_a_second_holder_of_a_folder_is_refused_and_told_the_first_ones_pid(tmp_path: Path) -> None:
    with lock_folder(tmp_path), pytest.raises(DataFolderInUse, match=rf"process {os.getpid()}") as caught:
        lock_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)
    lock_folder(tmp_path).release()


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(NoWritePermission, match="choose another folder"):
        lock_folder(tmp_path / "new")


def test_waiting_ends_with_the_answer_or_says_what_was_waited_for() -> None:
    answers = iter([0, 0, 7])
    assert eventually(lambda: next(answers), timeout_seconds=5, what="an answer") == 7
    with pytest.raises(AssertionError, match="the moon"):
        eventually(lambda: None, timeout_seconds=0, what="the moon")
