"""Every check of `make check`, one after the other; all of them run, and the last line says what failed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent

CHECKS: dict[str, list[str]] = {
    "format": [str(BIN / "ruff"), "format", "--check", "--quiet", "."],
    "lint": [str(BIN / "ruff"), "check", "--quiet", "."],
    "types": [sys.executable, "-m", "mypy", "--no-error-summary"],
    "imports": [str(BIN / "lint-imports")],
    "sizes": [sys.executable, "tools/check_sizes.py"],
    "lock files": [sys.executable, "tools/check_lock.py"],
    "migrations": [sys.executable, "tools/check_migrations.py"],
    "openapi": [sys.executable, "tools/write_openapi.py", "--check"],
    "actions": [sys.executable, "tools/write_actions.py", "--check"],
    "senders": [sys.executable, "tools/write_senders.py", "--check"],
    "metrics": [sys.executable, "tools/write_metrics.py", "--check"],
    "topics": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract/test_topics.py"],
}


def main() -> int:
    """Exit 0 when every check passed, else 1."""
    failed = [name for name, command in CHECKS.items() if not _passes(name, command)]
    named = f"; failed: {', '.join(failed)}" if failed else ""
    print(f"check: {len(CHECKS) - len(failed)} of {len(CHECKS)} passed{named}")
    return 1 if failed else 0


def _passes(name: str, command: list[str]) -> bool:
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    verdict = "ok" if done.returncode == 0 else "FAILED"
    print(f"  {name:<11} {verdict:<7} {time.monotonic() - started:5.1f} s", flush=True)
    if done.returncode != 0:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
