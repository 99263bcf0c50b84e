"""How much of the process comparisons may take: how many at once, and how much of the interpreter."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from management.errors import TooManyRequestsError

#: Processor time of a thread after which it gives way, and for how long, as a part of what it worked.
_WORKED_SECONDS_MAX = 0.02
_REST_PER_WORK = 0.5
_RETRY_AFTER_SECONDS = "10"


class Room:
    """Places for work of one kind, in this process."""

    def __init__(self, what: str, at_once_max: int) -> None:
        self._what = what
        self._places = threading.BoundedSemaphore(at_once_max)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Raises TooManyRequestsError where there is none."""
        if not self._places.acquire(blocking=False):
            message = f"other {self._what} are running; try again when one has ended"
            raise TooManyRequestsError(message, headers={"Retry-After": _RETRY_AFTER_SECONDS})
        try:
            yield
        finally:
            self._places.release()


class Pace:
    """Lets other threads of the process work in between. For one thread: made where a stretch of work begins."""

    def __init__(self) -> None:
        self._since = time.thread_time()

    def rest(self) -> None:
        """Call it between two pieces of work; it waits only after enough of them."""
        worked = time.thread_time() - self._since
        if worked >= _WORKED_SECONDS_MAX:
            time.sleep(worked * _REST_PER_WORK)
            self._since = time.thread_time()
