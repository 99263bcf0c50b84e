"""The doctor finds what is wrong with a machine and says what to do."""

from __future__ import annotations

import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from hookline.embedded import doctor
from hookline.embedded.doctor import Check
from hookline.embedded.jars import LOCK_FILE, ensure_kafka_jars, jars_folder
from hookline.embedded.kafka import KafkaBroker


def named(checks: list[Check], name: str) -> Check:
    [found] = [check for check in checks if check.name == name]
    return found


def test_a_machine_that_runs_the_stack_passes_every_required_check(
    kafka: KafkaBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What other tests leave free at this moment is theirs.
    monkeypatch.setattr(doctor, "DISK_FREE_BYTES_MINIMUM", 1)
    monkeypatch.setattr(doctor, "MEMORY_FREE_BYTES_MINIMUM", 1)
    checks = doctor.examine(tmp_path / "not" / "yet", {"Kafka": kafka.port, "ingress": 0})
    assert [check for check in checks if check.required and not check.ok] == [
        Check(
            f"port {kafka.port} (Kafka)",
            False,
            "in use",
            "stop what listens there, choose another port, or 0 for a free one",
        )
    ]
    assert "92 of 92" in named(checks, "Kafka jars").detail
    assert "25" in named(checks, "Java runtime").detail
    assert not (tmp_path / "not").exists(), "looking changes nothing"


def test_a_tampered_jar_is_named(tmp_path: Path) -> None:
    folder = jars_folder(tmp_path, LOCK_FILE.read_text())
    shutil.copytree(ensure_kafka_jars(), folder)
    (folder / "kafka_2.13-4.3.1.jar").write_bytes(b"tampered")
    check = doctor.kafka_jars(tmp_path)
    assert not check.ok
    assert "kafka_2.13-4.3.1.jar" in check.detail
    assert "delete" in check.advice


def test_missing_jars_are_no_fault_since_they_will_be_fetched(tmp_path: Path) -> None:
    check = doctor.kafka_jars(tmp_path)
    assert check.ok
    assert "0 of 92" in check.detail
    assert "network" in check.advice


@pytest.mark.parametrize(("running", "ok"), [((3, 10), False), ((3, 11), True), ((3, 14), True)])
def test_an_old_python_is_refused(running: tuple[int, int], ok: bool) -> None:
    check = doctor.python_version(running)
    assert check.ok is ok
    assert bool(check.advice) is not ok


def test_a_wheel_that_cannot_be_imported_is_named_with_its_reason() -> None:
    check = doctor.wheel("no_such_wheel")
    assert not check.ok
    assert "No module named 'no_such_wheel'" in check.detail
    assert check.advice


def test_too_little_disk_or_memory_is_said(tmp_path: Path) -> None:
    assert doctor.disk_space(tmp_path, 1).ok
    assert doctor.memory(1).ok
    assert not doctor.disk_space(tmp_path, 2**62).ok
    assert not doctor.memory(2**62).ok


def test_a_folder_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    assert doctor.data_folder(tmp_path).ok
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    check = doctor.data_folder(tmp_path)
    assert not check.ok
    assert "Permission denied" in check.detail


def test_a_free_port_is_free_and_a_taken_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        assert not doctor.port("ingress", taken).ok
    assert doctor.port("ingress", taken).ok


def test_docker_is_never_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    check = doctor.docker_engine()
    assert not check.required
    assert "not needed" in check.detail
