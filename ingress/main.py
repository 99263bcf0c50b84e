"""The role `ingress`: one receiver, or several worker processes that share its port."""

import ctypes
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from infra import log
from infra.settings import Settings
from ingress.errors import AddressInUseError
from ingress.siblings import Siblings
from ingress.worker import serve

_PR_SET_PDEATHSIG = 1
_RESTART_SECONDS_MIN = 0.5
_RESTART_SECONDS_MAX = 10.0
_STEADY_SECONDS = 30.0
_KILL_AFTER_SECONDS = 5.0
_log = log.get_logger(__name__)


def run(settings: Settings) -> None:
    """Receive until SIGTERM or SIGINT, then end in order. Raises AddressInUseError, SettingsError."""
    log.configure(role="ingress", log_format=settings.log_format, level=settings.log_level)
    bounds = settings.ingress
    listener = bind(bounds.host, bounds.port, shared=bounds.workers > 1)
    if bounds.workers == 1:
        serve(settings, listener)
        return
    # Bound and never listening: it holds the port for the workers and takes no connections.
    with listener, tempfile.TemporaryDirectory(prefix="hookline-ingress-") as folder:
        Supervisor(settings, listener.getsockname()[1], Path(folder)).run()


def bind(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound socket; `shared` ones of several processes may have one port, and the kernel spreads connections."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressInUseError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


class Supervisor:
    """Keeps the worker processes running; one that dies is started again, later and later."""

    def __init__(self, settings: Settings, port: int, folder: Path) -> None:
        self._settings = settings
        self._port = port
        self._folder = folder
        self._slots = settings.ingress.workers
        self._siblings = Siblings(folder, self._slots)
        self._context = multiprocessing.get_context("spawn")
        self._stop = threading.Event()
        self._workers: dict[int, BaseProcess] = {}
        self._started_at: dict[int, float] = {}
        self._start_after: dict[int, float] = dict.fromkeys(range(self._slots), 0.0)
        self._delays: dict[int, float] = dict.fromkeys(range(self._slots), _RESTART_SECONDS_MIN)

    def run(self) -> None:
        """Block until asked to stop; then end all workers."""
        wake, wakes = socket.socketpair()
        wakes.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        while not self._stop.is_set():
            self._start_missing()
            wait([wake, *(worker.sentinel for worker in self._workers.values())], timeout=_RESTART_SECONDS_MIN)
            self._bury_dead()
        self._end_all()

    def _start_missing(self) -> None:
        now = time.monotonic()
        for slot in range(self._slots):
            if slot not in self._workers and self._start_after[slot] <= now:
                arguments = (self._settings, slot, self._port, self._folder, os.getpid())
                worker = self._context.Process(target=run_worker, args=arguments, name=f"ingress-{slot}")
                worker.start()
                self._workers[slot], self._started_at[slot] = worker, now

    def _bury_dead(self) -> None:
        now = time.monotonic()
        for slot, worker in list(self._workers.items()):
            if worker.is_alive():
                continue
            del self._workers[slot]
            self._siblings.bury(slot)
            steady = now - self._started_at[slot] > _STEADY_SECONDS
            delay = _RESTART_SECONDS_MIN if steady else min(self._delays[slot] * 2, _RESTART_SECONDS_MAX)
            self._delays[slot], self._start_after[slot] = delay, now + delay
            _log.error("ingress.worker.died", slot=slot, pid=worker.pid, exit_code=worker.exitcode, delay_seconds=delay)

    def _end_all(self) -> None:
        for worker in self._workers.values():
            worker.terminate()
        deadline = time.monotonic() + self._settings.ingress.shutdown_timeout_seconds + _KILL_AFTER_SECONDS
        for worker in self._workers.values():
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                _log.error("ingress.worker.killed", pid=worker.pid)
                worker.kill()
                worker.join()


def run_worker(settings: Settings, slot: int, port: int, folder: Path, parent_pid: int) -> None:
    """A worker process from beginning to end."""
    die_with_parent(parent_pid)
    log.configure(role="ingress", log_format=settings.log_format, level=settings.log_level)
    listener = bind(settings.ingress.host, port, shared=True)
    siblings = Siblings(folder, settings.ingress.workers)
    serve(settings, listener, slot=slot, siblings=siblings, parent_pid=parent_pid)


def die_with_parent(parent_pid: int) -> None:
    """Be killed by the kernel when the parent dies, however it dies (off Linux the worker looks itself)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit(1)
