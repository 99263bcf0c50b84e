"""A keep-alive HTTP load client on one epoll loop: pre-built requests, one outstanding per connection, bounded.

It does as little as possible per answer, so that on a small machine the server and not the client is measured.
Run by itself (`python -m bench.load PLAN_FILE`) it prints its result as JSON; `run_in_process` does that for a caller.
"""

import json
import os
import pickle
import select
import socket
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_RECEIVE_BYTES = 65_536
_CONNECT_SECONDS = 5.0
_IDLE_SECONDS_MAX = 20.0
_PICKLED = "plan.pickle"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """`requests` are whole HTTP/1.1 requests, sent in turn. The run ends after `seconds` or `answers_max` answers.

    Answers of the first `warm_up_seconds` are not counted.
    """

    host: str
    port: int
    connections: int
    requests: Sequence[bytes]
    seconds: float = 5.0
    warm_up_seconds: float = 1.0
    answers_max: int = 2_000_000


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Latencies in milliseconds, CPU of the client itself in seconds; `statuses` counts answers per status."""

    answers: int
    seconds: float
    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    max_milliseconds: float
    client_cpu_seconds: float
    disconnects: int
    statuses: dict[str, int] = field(default_factory=dict)


class _Connections:
    """Sockets by file number, with what was received of the answer that is not whole yet."""

    def __init__(self, plan: LoadPlan) -> None:
        self.address = (plan.host, plan.port)
        self.epoll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.partial: dict[int, bytes] = {}

    def open(self) -> socket.socket:
        connection = socket.create_connection(self.address, timeout=_CONNECT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        self.sockets[connection.fileno()] = connection
        self.epoll.register(connection.fileno(), select.EPOLLIN)
        return connection

    def drop(self, number: int) -> None:
        self.epoll.unregister(number)
        self.partial.pop(number, None)
        self.sockets.pop(number).close()

    def close(self) -> None:
        for number in list(self.sockets):
            self.drop(number)
        self.epoll.close()


def is_whole(answer: bytes) -> bool:
    """Whether `answer` holds a complete HTTP/1.1 answer with a content-length (or none, for an empty body)."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = answer.lower().find(b"\r\ncontent-length:", 0, end + 2)
    if at < 0:
        return True
    length = int(answer[at + 17 : answer.index(b"\r\n", at + 2)])
    return len(answer) >= end + 4 + length


def run(plan: LoadPlan) -> LoadResult:
    """Drive the load in this process until it is over. Raises OSError when the server cannot be reached."""
    connections = _Connections(plan)
    try:
        return _drive(plan, connections)
    finally:
        connections.close()


def _drive(plan: LoadPlan, connections: _Connections) -> LoadResult:
    requests, total, at = plan.requests, len(plan.requests), 0
    sockets, partial, poll, clock = connections.sockets, connections.partial, connections.epoll.poll, time.perf_counter
    sent_at: dict[int, float] = {}
    for _ in range(plan.connections):
        connection = connections.open()
        connection.send(requests[at % total])
        sent_at[connection.fileno()] = clock()
        at += 1
    latencies, statuses, disconnects, whole_length = array("d"), dict[bytes, int](), 0, -1
    counted_from = clock() + plan.warm_up_seconds
    end = counted_from + plan.seconds
    cpu_before = time.process_time()
    now = clock()
    while now < end and len(latencies) < plan.answers_max:
        events = poll(_IDLE_SECONDS_MAX)
        if not events:
            break
        now = clock()
        for number, _ in events:
            connection = sockets[number]
            try:
                answer = connection.recv(_RECEIVE_BYTES)
            except ConnectionError:
                answer = b""
            if not answer:
                disconnects += 1
                connections.drop(number)
                connection = connections.open()
                number = connection.fileno()
            else:
                if len(answer) != whole_length:
                    answer = partial.pop(number, b"") + answer
                    if not is_whole(answer):
                        partial[number] = answer
                        continue
                    whole_length = len(answer)
                now = clock()
                if now >= counted_from:
                    latencies.append(now - sent_at[number])
                    status = answer[9:12]
                    statuses[status] = statuses.get(status, 0) + 1
            sent_at[number] = clock()
            connection.send(requests[at % total])
            at += 1
    return _result(latencies, statuses, disconnects, (clock() - counted_from, time.process_time() - cpu_before))


def _result(
    latencies: "array[float]", statuses: dict[bytes, int], disconnects: int, seconds_and_cpu: tuple[float, float]
) -> LoadResult:
    seconds, cpu_seconds = seconds_and_cpu
    ordered = sorted(latencies) or [0.0]
    last = len(ordered) - 1
    return LoadResult(
        answers=len(latencies),
        seconds=round(seconds, 3),
        per_second=round(len(latencies) / seconds, 1),
        p50_milliseconds=round(ordered[last // 2] * 1000, 2),
        p99_milliseconds=round(ordered[last * 99 // 100] * 1000, 2),
        max_milliseconds=round(ordered[last] * 1000, 2),
        client_cpu_seconds=round(cpu_seconds, 3),
        disconnects=disconnects,
        statuses={status.decode("latin-1"): count for status, count in statuses.items()},
    )


def run_in_process(plan: LoadPlan) -> LoadResult:
    """Drive the load in a process of its own, so that its CPU and the caller's do not mix."""
    with tempfile.TemporaryDirectory(prefix="hookline-load-") as folder:
        plan_file = Path(folder) / _PICKLED
        plan_file.write_bytes(pickle.dumps(plan))
        answer = subprocess.run(
            [sys.executable, "-m", "bench.load", str(plan_file)],
            cwd=Path(__file__).parent.parent,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            check=True,
            capture_output=True,
            timeout=plan.seconds + plan.warm_up_seconds + 60,
        )
    fields: dict[str, Any] = json.loads(answer.stdout)
    return LoadResult(**fields)


if __name__ == "__main__":
    result = run(pickle.loads(Path(sys.argv[1]).read_bytes()))  # noqa: S301 - written by run_in_process
    print(json.dumps(asdict(result)))
