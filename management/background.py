"""Work on a thread of its own, for as long as the process runs."""

import threading
from abc import ABC, abstractmethod


class Background(ABC):
    """`_run` is the thread; it ends once `_stopping` is set."""

    def __init__(self, name: str) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Returns at once, also while the stores are away."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Leave what is not done to another process."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    @abstractmethod
    def _run(self) -> None: ...
