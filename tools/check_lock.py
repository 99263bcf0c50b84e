"""Lock files: every requirement pinned and hashed, no address in them, and both files agree."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^ ;\\]+)")
DIRECT = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?![0-9a-f])")
ADDRESS = re.compile(r"://|--(?:extra-)?index-url|--find-links|--trusted-host|(?:^|\s)-[if]\s")


def canonical(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(text: str) -> Iterator[str]:
    """Logical lines: a requirement and its hashes are one; comments and blanks are none."""
    bare = re.sub(r"(?m)^\s*#.*\n", "", text)
    yield from filter(None, (line.strip() for line in bare.replace("\\\n", " ").splitlines()))


def pins(text: str) -> dict[str, str]:
    """Version by canonical name."""
    found = (PIN.match(entry) for entry in entries(text))
    return {canonical(match["name"]): match["version"] for match in found if match}


def problems_of(name: str, text: str) -> Iterator[str]:
    """What is wrong with one lock file by itself."""
    for number, line in enumerate(text.splitlines(), 1):
        if ADDRESS.search(line):
            yield f"{name}:{number}: holds an address: {line.strip()}"
    for entry in entries(text):
        first = entry.split(maxsplit=1)[0]
        if PIN.match(entry) is None:
            yield f"{name}: not pinned with ==: {first}"
        elif HASH.search(entry) is None:
            yield f"{name}: no sha256: {first}"
    if not pins(text):
        yield f"{name}: holds no requirement"


def missing_from(lock_name: str, locked: dict[str, str], source_name: str, source: str) -> Iterator[str]:
    """Direct requirements that the lock file does not know."""
    for entry in entries(source):
        match = DIRECT.match(entry)
        if match and canonical(match["name"]) not in locked:
            yield f"{lock_name}: {match['name']} of {source_name} is missing: run `make lock`"


def main() -> int:
    """Exit 0 when both lock files are sound, else 1 with every problem."""
    problems: list[str] = []
    locked: dict[str, dict[str, str]] = {}
    for name in ("requirements", "requirements-dev"):
        text = (ROOT / f"{name}.txt").read_text("utf-8")
        locked[name] = pins(text)
        problems += problems_of(f"{name}.txt", text)
        source = (ROOT / f"{name}.in").read_text("utf-8")
        problems += missing_from(f"{name}.txt", locked[name], f"{name}.in", source)
    for package, version in locked["requirements"].items():
        other = locked["requirements-dev"].get(package)
        if other != version:
            problems.append(f"requirements-dev.txt: {package} is {other or 'missing'}, requirements.txt has {version}")
    print("\n".join(problems) or f"lock files: ok, {len(locked['requirements-dev'])} packages")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
