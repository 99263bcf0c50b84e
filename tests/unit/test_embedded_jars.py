"""The Kafka jars are complete, right and cached, or the error says what is wrong."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from hookline.embedded.errors import BadSum, DiskFull, NetworkUnavailable, NoWritePermission
from hookline.embedded.jars import (
    LOCK_FILE,
    Jar,
    cache_folder,
    check_sums,
    ensure_kafka_jars,
    parse_lock,
)

CONTENT = {"one": b"first jar", "two": b"second jar"}


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    path = tmp_path / "jars.lock"
    lines = [f"org.example:{name}:1.0:jar sha256:{hashlib.sha256(body).hexdigest()}" for name, body in CONTENT.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


class FakeRepository:
    """Hands out the content above and counts."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fetched: list[str] = []
        self.fault = fault

    def __call__(self, jar: Jar, folder: Path) -> Path:
        if self.fault is not None:
            raise self.fault
        self.fetched.append(jar.artifact)
        path = folder / f"fetched-{jar.artifact}"
        path.write_bytes(CONTENT[jar.artifact])
        return path


def quiet() -> Console:
    return Console(file=io.StringIO())


def test_the_shipped_lock_file_names_ninety_two_jars_with_different_file_names() -> None:
    jars = parse_lock(LOCK_FILE.read_text())
    assert len(jars) == 92
    assert len({jar.file_name for jar in jars}) == 92
    assert all(len(jar.sha256) == 64 for jar in jars)
    assert any(jar.coordinate == "org.apache.kafka:kafka_2.13:4.3.1" for jar in jars)


def test_the_shipped_lock_file_holds_no_addresses() -> None:
    assert "://" not in LOCK_FILE.read_text()


def test_every_jar_is_fetched_once_and_the_second_run_fetches_nothing(cache: Path, lock_file: Path) -> None:
    repository = FakeRepository()
    folder = ensure_kafka_jars(cache=cache, lock_file=lock_file, console=quiet(), fetch=repository)
    again = ensure_kafka_jars(cache=cache, lock_file=lock_file, console=quiet(), fetch=repository)
    assert again == folder
    assert sorted(repository.fetched) == ["one", "two"]
    assert {path.name: path.read_bytes() for path in folder.glob("*.jar")} == {
        "one-1.0.jar": CONTENT["one"],
        "two-1.0.jar": CONTENT["two"],
    }
    assert check_sums(folder, lock_file) == []


def test_a_jar_with_a_wrong_sum_is_named_with_both_sums_and_not_kept(
    cache: Path, lock_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = hashlib.sha256(CONTENT["two"]).hexdigest()
    monkeypatch.setitem(CONTENT, "two", b"something else")
    with pytest.raises(BadSum) as caught:
        ensure_kafka_jars(cache=cache, lock_file=lock_file, console=quiet(), fetch=FakeRepository())
    assert "two-1.0.jar" in str(caught.value)
    assert caught.value.expected == expected
    assert caught.value.got == hashlib.sha256(b"something else").hexdigest()
    assert caught.value.expected in str(caught.value)
    assert caught.value.got in str(caught.value)
    assert list(cache.rglob("*two*")) == []


@pytest.mark.parametrize("tampered", [b"longer than it was before", b"first jAr"], ids=["other size", "same size"])
def test_a_cached_jar_that_was_changed_is_refused(cache: Path, lock_file: Path, tampered: bytes) -> None:
    folder = ensure_kafka_jars(cache=cache, lock_file=lock_file, console=quiet(), fetch=FakeRepository())
    jar = folder / "one-1.0.jar"
    checked_at = jar.stat().st_mtime_ns
    jar.write_bytes(tampered)
    os.utime(jar, ns=(checked_at + 1_000_000, checked_at + 1_000_000))
    with pytest.raises(BadSum, match=r"one-1\.0\.jar"):
        ensure_kafka_jars(cache=cache, lock_file=lock_file, console=quiet(), fetch=FakeRepository())
    assert check_sums(folder, lock_file) == ["one-1.0.jar"]


def test_only_what_is_missing_is_fetched_again(cache: Path, lock_file: Path) -> None:
    folder = ensure_kafka_jars(cache=cache, lock_file=lock_file, console=quiet(), fetch=FakeRepository())
    (folder / "two-1.0.jar").unlink()
    repository = FakeRepository()
    ensure_kafka_jars(cache=cache, lock_file=lock_file, console=quiet(), fetch=repository)
    assert repository.fetched == ["two"]


@pytest.mark.parametrize(
    "fault", [ConnectionError("name resolution failed"), RuntimeError("not found in remote repositories")]
)
def test_without_a_network_the_error_names_the_coordinate_and_keeps_the_cause(
    cache: Path, lock_file: Path, fault: Exception
) -> None:
    with pytest.raises(NetworkUnavailable, match=r"org\.example:(one|two):1\.0.*(resolution|repositories)") as caught:
        ensure_kafka_jars(cache=cache, lock_file=lock_file, console=quiet(), fetch=FakeRepository(fault))
    assert caught.value.__cause__ is fault


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, DiskFull), (errno.EACCES, NoWritePermission), (errno.EROFS, NoWritePermission)],
)
def test_a_full_or_read_only_disk_has_an_error_of_its_own(
    cache: Path, lock_file: Path, number: int, expected: type[Exception]
) -> None:
    fault = OSError(number, os.strerror(number))
    with pytest.raises(expected, match=str(cache)):
        ensure_kafka_jars(cache=cache, lock_file=lock_file, console=quiet(), fetch=FakeRepository(fault))


def test_what_a_killed_download_left_is_removed_and_another_live_download_is_not_touched(
    cache: Path, lock_file: Path
) -> None:
    folder = ensure_kafka_jars(cache=cache, lock_file=lock_file, console=quiet(), fetch=FakeRepository())
    (folder / "complete.json").unlink()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    abandoned, live = folder / f".download-{ended.pid}-x", folder / f".download-{os.getpid()}-x"
    abandoned.mkdir()
    live.mkdir()
    ensure_kafka_jars(cache=cache, lock_file=lock_file, console=quiet(), fetch=FakeRepository())
    assert not abandoned.exists()
    assert live.exists()


def test_without_a_terminal_progress_is_plain_lines(cache: Path, lock_file: Path) -> None:
    output = io.StringIO()
    ensure_kafka_jars(
        cache=cache, lock_file=lock_file, console=Console(file=output, force_terminal=False), fetch=FakeRepository()
    )
    assert output.getvalue() == "Fetching Apache Kafka: 2 of 2 jars\n"


def test_on_a_terminal_progress_is_a_bar(cache: Path, lock_file: Path) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=100)
    ensure_kafka_jars(cache=cache, lock_file=lock_file, console=console, fetch=FakeRepository())
    assert "2/2" in output.getvalue()
    assert "\x1b[" in output.getvalue()


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOKLINE_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "hookline"
    monkeypatch.setenv("XDG_CACHE_HOME", "/shared")
    assert cache_folder() == Path("/shared/hookline")
    monkeypatch.setenv("HOOKLINE_CACHE_DIR", "/own")
    assert cache_folder() == Path("/own")
