"""Signals of fatal errors, kept as they were while the embedded engine begins.

The engine takes them over for the whole process. When any library of it then aborts, the engine keeps the process alive
for minutes, in which it answers nothing more; whoever watches the process learns of it only afterwards.
"""

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGTRAP)
#: More than the largest `struct sigaction` there is.
_ACTION_BYTES = 512
_C = ctypes.CDLL(None)
_turn = threading.Lock()


@contextmanager
def fatal_signals_kept() -> Iterator[None]:
    """Put back whatever the context does to them. One thread at a time: what is put back is what was there before."""
    with _turn:
        actions = {number: ctypes.create_string_buffer(_ACTION_BYTES) for number in _SIGNALS}
        for number, action in actions.items():
            _C.sigaction(int(number), None, action)
        try:
            yield
        finally:
            for number, action in actions.items():
                _C.sigaction(int(number), action, None)
