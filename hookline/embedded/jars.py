"""Apache Kafka's jars: named in kafka-jars.lock, fetched once per user, checked by sha256."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hookline.embedded.errors import BadSum, NetworkUnavailable, os_errors_translated, translate_os_error

LOCK_FILE = Path(__file__).with_name("kafka-jars.lock")
MARKER = "complete.json"
DOWNLOAD_PREFIX = ".download-"
DOWNLOADS_AT_ONCE = 8
REQUEST_TIMEOUT_SECONDS = 30
PLAIN_LINE_EVERY = 23


@dataclass(frozen=True)
class Jar:
    """One line of the lock file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


class Fetcher(Protocol):
    """Puts one jar somewhere below ``folder`` and returns its path; raises OSError or RuntimeError when it cannot."""

    def __call__(self, jar: Jar, folder: Path) -> Path: ...


def parse_lock(text: str) -> list[Jar]:
    """Lines of ``group:artifact:version:extension sha256:<hex>`` (the extension may be missing) as jars."""
    jars = []
    for line in filter(None, map(str.strip, text.splitlines())):
        coordinate, _, digest = line.partition(" sha256:")
        group, artifact, version = coordinate.split(":")[:3]
        jars.append(Jar(group, artifact, version, digest.strip()))
    return jars


def cache_folder() -> Path:
    """The user's cache: $HOOKLINE_CACHE_DIR, else $XDG_CACHE_HOME/hookline, else ~/.cache/hookline."""
    if own := os.environ.get("HOOKLINE_CACHE_DIR"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "hookline"
    return Path.home() / ".cache" / "hookline"


def jars_folder(cache: Path, lock_text: str) -> Path:
    """Where the jars of this very lock file live: no other jar lies there, so `folder/*` is a class path."""
    return cache / "kafka-jars" / hashlib.sha256(lock_text.encode("utf-8")).hexdigest()[:16]


def ensure_kafka_jars(
    *,
    cache: Path | None = None,
    lock_file: Path = LOCK_FILE,
    console: Console | None = None,
    fetch: Fetcher | None = None,
) -> Path:
    """The folder that holds every jar of the lock file; fetches what is missing.

    A complete folder costs one `stat` per jar. Otherwise each jar is fetched aside, checked and renamed into place, so
    two processes may do this at once and a killed one leaves nothing bad. Raises NetworkUnavailable, BadSum, DiskFull
    or NoWritePermission.
    """
    lock_text = lock_file.read_text(encoding="utf-8")
    jars = parse_lock(lock_text)
    folder = jars_folder(cache or cache_folder(), lock_text)
    if _is_complete(folder, jars):
        return folder
    with os_errors_translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        missing = [jar for jar in jars if not _is_present(folder, jar)]
        _remove_abandoned_downloads(folder)
        with tempfile.TemporaryDirectory(prefix=f"{DOWNLOAD_PREFIX}{os.getpid()}-", dir=folder) as aside:
            _fetch_all(missing, Path(aside), folder, console or Console(stderr=True), fetch or fetch_with_jgo)
        _write_marker(folder, jars)
    return folder


def check_sums(folder: Path, lock_file: Path = LOCK_FILE) -> list[str]:
    """The names of jars that are missing or whose sha256 is wrong (reads every byte: 54 MB)."""
    jars = parse_lock(lock_file.read_text(encoding="utf-8"))
    return [jar.file_name for jar in jars if sha256_of(folder / jar.file_name) != jar.sha256]


def sha256_of(path: Path) -> str:
    """Hex digest, or an empty string when there is no such file."""
    try:
        with path.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def fetch_with_jgo(jar: Jar, folder: Path) -> Path:
    """Resolve one coordinate by itself: resolving the tree picks other versions than the lock file's."""
    from jgo.maven import MavenContext  # half a second to import, needed on the first run only

    context = MavenContext(repo_cache=folder, timeout=REQUEST_TIMEOUT_SECONDS)
    return Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())


def _fetch_all(missing: list[Jar], aside: Path, folder: Path, console: Console, fetch: Fetcher) -> None:
    with _progress(console, len(missing)) as advance, ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        pending = [pool.submit(_fetch_one, jar, aside, folder, fetch) for jar in missing]
        try:
            for done in as_completed(pending):
                done.result()
                advance()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _fetch_one(jar: Jar, aside: Path, folder: Path, fetch: Fetcher) -> None:
    try:
        fetched = fetch(jar, aside)
    except OSError as error:  # the HTTP client's errors are OSErrors too
        raise translate_os_error(error, folder) or NetworkUnavailable(jar.coordinate, _one_line(error)) from error
    except RuntimeError as error:
        raise NetworkUnavailable(jar.coordinate, _one_line(error)) from error
    got = sha256_of(fetched)
    if got != jar.sha256:
        raise BadSum(folder / jar.file_name, expected=jar.sha256, got=got)
    fetched.replace(folder / jar.file_name)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _is_present(folder: Path, jar: Jar) -> bool:
    """True for the right jar, False for none; a wrong one raises, since someone or some disk changed it."""
    path = folder / jar.file_name
    got = sha256_of(path)
    if got and got != jar.sha256:
        raise BadSum(path, expected=jar.sha256, got=got)
    return bool(got)


def _marker_entries(folder: Path, jars: list[Jar]) -> dict[str, list[int]]:
    entries = {}
    for jar in jars:
        status = (folder / jar.file_name).stat()
        entries[jar.file_name] = [status.st_size, status.st_mtime_ns]
    return entries


def _is_complete(folder: Path, jars: list[Jar]) -> bool:
    """Sizes and times of every jar are as they were when its sum was last checked."""
    try:
        marked = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return bool(marked == _marker_entries(folder, jars))
    except (OSError, ValueError):
        return False


def _write_marker(folder: Path, jars: list[Jar]) -> None:
    partial = folder / f"{MARKER}.{os.getpid()}"
    partial.write_text(json.dumps(_marker_entries(folder, jars)), encoding="utf-8")
    partial.replace(folder / MARKER)


def _remove_abandoned_downloads(folder: Path) -> None:
    """Folders of downloads whose process is gone."""
    for path in folder.glob(f"{DOWNLOAD_PREFIX}*"):
        pid = int(path.name.removeprefix(DOWNLOAD_PREFIX).partition("-")[0])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            shutil.rmtree(path, ignore_errors=True)
        except PermissionError:
            continue


class Advance(Protocol):
    def __call__(self) -> None: ...


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Advance]:
    """A bar on a terminal; elsewhere a line now and then."""
    title = "Fetching Apache Kafka"
    if console.is_terminal:
        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("jars"), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(title, total=total)
            yield lambda: progress.advance(task)
        return
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done % PLAIN_LINE_EVERY == 0 or done == total:
            console.print(f"{title}: {done} of {total} jars", highlight=False)

    yield advance
