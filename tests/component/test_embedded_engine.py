"""The embedded engine and the process it runs in."""

import signal
import subprocess
import sys
from pathlib import Path

_ABORTING = """
import ctypes, pathlib, sys, threading
from infra.clickhouse import ClickHouse
from infra.settings import ClickHouseSettings
ClickHouse(ClickHouseSettings(path=pathlib.Path(sys.argv[1]))).ping()
print("pinged", flush=True)
threading.Thread(target=ctypes.CDLL(None).abort).start()
threading.Event().wait()
"""


def test_a_process_in_which_a_library_aborts_ends_and_does_not_stay_with_a_dead_engine(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", _ABORTING, str(tmp_path / "clickhouse")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert "pinged" in done.stdout, done.stderr
    assert done.returncode == -signal.SIGABRT
