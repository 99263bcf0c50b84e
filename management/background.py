"""Work on a thread of its own, for as long as the process runs."""

import threading
from abc import ABC, abstractmethod


class Background(ABC):
    """`_run` is the thread; it ends once `_stopping` is set, and notes in `_fault` why it makes no progress."""

    def __init__(self, name: str) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._fault: str | None = None

    @property
    def fault(self) -> str | None:
        """Why this makes no progress now, in words; None: it does, here or in another process."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._stopping.is_set():
            return "the thread has ended"
        return self._fault

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
