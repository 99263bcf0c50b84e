"""The jars' cache under several processes and a kill, and the real registry client on one small jar."""

from __future__ import annotations

import hashlib
import io
import signal
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from hookline.embedded.errors import BadSum, NetworkUnavailable
from hookline.embedded.jars import LOCK_FILE, Jar, check_sums, ensure_kafka_jars, parse_lock
from tests.support.processes import next_line, python_process
from tests.support.wait import eventually

FILLER = """
import sys, time
from pathlib import Path
from hookline.embedded.jars import ensure_kafka_jars
cache, lock_file, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
def fetch(jar, folder):
    path = folder / jar.artifact
    path.write_bytes(b"half of ")
    sys.stdout.write("fetching\\n")  # one write: threads share the stream
    sys.stdout.flush()
    time.sleep(seconds)
    path.write_bytes(f"jar {jar.artifact}".encode())
    return path
print(ensure_kafka_jars(cache=cache, lock_file=lock_file, fetch=fetch), flush=True)
"""


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    path = tmp_path / "jars.lock"
    sums = {name: hashlib.sha256(f"jar {name}".encode()).hexdigest() for name in ("a", "b", "c")}
    path.write_text("".join(f"org.example:{name}:1.0 sha256:{digest}\n" for name, digest in sums.items()))
    return path


def folder_of(filler: subprocess.Popen[str]) -> Path:
    """What it prints when all is fetched; read line by line, since the first line may have been read with the next."""
    line = next_line(filler)
    while line == "fetching":
        line = next_line(filler)
    assert filler.wait(60) == 0
    return Path(line)


def test_two_processes_fill_one_cache_at_the_same_time(tmp_path: Path, lock_file: Path) -> None:
    arguments = (str(tmp_path / "cache"), str(lock_file), "0.3")
    with python_process(FILLER, *arguments) as first, python_process(FILLER, *arguments) as second:
        folders = [folder_of(process) for process in (first, second)]
    assert folders[0] == folders[1]
    assert check_sums(folders[0], lock_file) == []


def test_a_killed_download_leaves_nothing_bad(tmp_path: Path, lock_file: Path) -> None:
    cache = tmp_path / "cache"
    with python_process(FILLER, str(cache), str(lock_file), "600") as killed:
        next_line(killed)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert eventually(lambda: list(cache.rglob(".download-*")), timeout_seconds=5, what="the half download")
    assert list(cache.rglob("*.jar")) == []
    with python_process(FILLER, str(cache), str(lock_file), "0") as next_process:
        output, errors = next_process.communicate(timeout=60)
        assert next_process.returncode == 0, errors
    assert check_sums(Path(output.splitlines()[-1]), lock_file) == []
    assert list(cache.rglob(".download-*")) == []


def smallest_jar() -> Jar:
    [jar] = [jar for jar in parse_lock(LOCK_FILE.read_text()) if jar.artifact == "slf4j-api"]
    return jar


def fetch_for_real(tmp_path: Path, jar: Jar, digest: str) -> Path:
    lock_file = tmp_path / "one.lock"
    lock_file.write_text(f"{jar.coordinate} sha256:{digest}\n")
    try:
        return ensure_kafka_jars(cache=tmp_path / "cache", lock_file=lock_file, console=Console(file=io.StringIO()))
    except NetworkUnavailable as error:
        pytest.skip(f"the registry cannot be reached: {error}")


def test_a_jar_comes_from_the_real_registry_with_the_sum_of_the_lock_file(tmp_path: Path) -> None:
    jar = smallest_jar()
    assert (fetch_for_real(tmp_path, jar, jar.sha256) / jar.file_name).stat().st_size > 10_000


def test_a_jar_of_the_real_registry_with_another_sum_is_refused(tmp_path: Path) -> None:
    jar = smallest_jar()
    with pytest.raises(BadSum, match=jar.file_name) as caught:
        fetch_for_real(tmp_path, jar, "0" * 64)
    assert caught.value.got == jar.sha256
