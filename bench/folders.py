"""Where a measurement keeps what it starts."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_folder(name: str) -> Iterator[Path]:
    """A folder of our own, gone with the context, also when the process is asked to end."""
    signal.signal(signal.SIGTERM, lambda *_: exit(1))
    with tempfile.TemporaryDirectory(prefix=f"hookline-bench-{name}-") as folder:
        path = Path(folder)
        path.chmod(0o755)  # Postgres may run as another user, who must be able to enter
        yield path
