"""One HTTP/1.1 connection: reads heads and bodies within their bounds, one request at a time, and writes answers."""

import asyncio
import time
from typing import Protocol as Seam
from typing import cast

from infra.addresses import client_address
from infra.settings import IngressSettings
from ingress.acks import Pending
from ingress.core import answers, http1
from ingress.core.answers import Answer
from ingress.core.http1 import BadRequestError, ChunkedBody, Head
from ingress.pace import Pace, Refused
from ingress.receiver import INBOUND, Exchange, Receiver

_END = b"\r\n\r\n"
_PIPELINED_BYTES_MAX = 262_144
_LINGER_SECONDS = 1.0
_LINGER_BYTES_MAX = 4_194_304
_SIDE_BODY_BYTES_MAX = 65_536
_FOREVER = float("inf")


class SideApplication(Seam):
    """Whatever serves the paths that are not the receiver's: a whole answer per request."""

    async def answer(self, head: Head, body: bytes) -> Answer: ...


class Service:
    """What all connections of a worker share. `date` is the line of the Date header, renewed every second."""

    def __init__(self, receiver: Receiver, side: SideApplication, bounds: IngressSettings) -> None:
        self.receiver = receiver
        self.side = side
        self.header_bytes_max = bounds.header_bytes_max
        self.body_seconds = bounds.body_timeout_seconds
        self.idle_seconds = bounds.idle_timeout_seconds
        self.connections_max = bounds.connections_max
        self.loop = asyncio.get_running_loop()
        self.pace = Pace(bounds.refusal_pace_milliseconds)
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.stopping = False
        self.date = b""

    def set_date(self, date: str) -> None:
        """Renew the Date header; `date` is an IMF-fixdate."""
        self.date = f"date: {date}\r\n".encode()

    def tick(self) -> None:
        """End what is overdue."""
        now = self.loop.time()
        for connection in [connection for connection in self.connections if connection.deadline <= now]:
            connection.overdue()

    def stop(self) -> None:
        """No new requests: idle connections close now, the others after their answer."""
        self.stopping = True
        for connection in list(self.connections):
            connection.close_when_idle()


class Connection(asyncio.Protocol):
    """States: waiting for a head (no exchange, no side head), reading a body, waiting for an answer, closing."""

    __slots__ = (
        "_body_left",
        "_buffer",
        "_chunked",
        "_closing",
        "_discarded_bytes",
        "_exchange",
        "_half_closed",
        "_in_head",
        "_keep_alive",
        "_parts",
        "_paused_reading",
        "_paused_writing",
        "_peer",
        "_pending",
        "_service",
        "_side_head",
        "_transport",
        "_whole_at_ns",
        "deadline",
    )

    _transport: asyncio.Transport

    def __init__(self, service: Service) -> None:
        self._service = service
        self._buffer = b""
        self._peer = ""
        self._in_head = self._closing = self._paused_reading = self._paused_writing = self._half_closed = False
        self._discarded_bytes = 0
        self._whole_at_ns = 0
        self._forget_request()

    def _forget_request(self) -> None:
        self._exchange: Exchange | None = None
        self._side_head: Head | None = None
        self._pending = False
        self._keep_alive = True
        self._body_left = 0
        self._parts: list[bytes] = []
        self._chunked: ChunkedBody | None = None
        self.deadline = self._service.loop.time() + self._service.idle_seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)
        service = self._service
        if len(service.connections) >= service.connections_max or service.stopping:
            self._closing = True
            transport.close()
            return
        peer = transport.get_extra_info("peername")
        self._peer = client_address(peer[0], None, ()) if isinstance(peer, tuple) else ""
        service.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.connections.discard(self)
        self._closing = True
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        if self._closing:
            self._discard(data)
            return
        self._buffer = self._buffer + data if self._buffer else data
        if not self._pending:
            self._advance()
        if len(self._buffer) > _PIPELINED_BYTES_MAX and not self._paused_reading:
            self._paused_reading = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """A sender may close its half and wait for its answers; without a whole request there is none to wait for."""
        self._half_closed = True
        return self._pending

    def pause_writing(self) -> None:
        self._paused_writing = True

    def resume_writing(self) -> None:
        self._paused_writing = False
        if not self._pending:
            self._advance()

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has arrived."""
        return not (self._pending or self._in_head or self._exchange or self._side_head or self._buffer)

    def close_when_idle(self) -> None:
        if self.idle:
            self._transport.close()

    def overdue(self) -> None:
        """The deadline has passed: a slow sender is told, any other connection is closed."""
        if self._closing:
            self._transport.abort()
        elif self.idle:
            self._transport.close()
        else:
            self._refuse("timed_out", answers.BODY_TIMED_OUT)

    def acknowledged(self, pending: Pending) -> None:
        """The broker has the request: say so."""
        exchange = self._exchange
        if exchange is None or self._closing:
            return
        if pending.invalid_json:
            self._service.receiver.answered("invalid_json", exchange.received_at_us)
            self._write(answers.invalid_json(pending.delivery_id))
        else:
            self._service.receiver.answered("accepted", exchange.received_at_us)
            self._write(answers.accepted(pending.delivery_id, pending.accepted))
        self._advance()

    def unacknowledged(self, pending: Pending) -> None:
        """The broker did not acknowledge in time."""
        exchange = self._exchange
        if exchange is None or self._closing:
            return
        answer = answers.unavailable(pending.delivery_id)
        self._write(self._service.receiver.reject(exchange, "unavailable", "unavailable", answer))
        self._advance()

    def refused(self, answer: Answer) -> None:
        """The time has come to say no."""
        if self._closing:
            return
        self._write(answer)
        self._advance()

    def _advance(self) -> None:
        """Go as far as the buffered bytes allow."""
        try:
            going = True
            while going and self._buffer and not (self._pending or self._closing or self._paused_writing):
                self._whole_at_ns = time.monotonic_ns()  # before any work on what may be the last of a request
                begins = self._exchange is None and self._side_head is None
                going = self._read_head() if begins else self._read_body()
        except BadRequestError:
            self._refuse("malformed", answers.MALFORMED)
        if self._paused_reading and len(self._buffer) <= _PIPELINED_BYTES_MAX and not self._closing:
            self._paused_reading = False
            self._transport.resume_reading()
        if self._half_closed and not (self._pending or self._closing or self._paused_writing):
            self._closing = True  # what is left in the buffer will never be whole
            self._transport.close()

    def _read_head(self) -> bool:
        """Begin a request. False when more bytes are needed first."""
        buffer, service = self._buffer, self._service
        if buffer.startswith(b"\r\n"):
            self._buffer = buffer[2:]
            return True
        end = buffer.find(_END, 0, service.header_bytes_max)
        if end < 0:
            if len(buffer) >= service.header_bytes_max:
                self._refuse("headers_too_large", answers.HEADERS_TOO_LARGE)
            elif not self._in_head:
                self._in_head = True
                self.deadline = service.loop.time() + service.body_seconds
            return False
        head = http1.parse_head(buffer[: end + 2])
        self._buffer = buffer[end + 4 :]
        self._in_head = False
        self._keep_alive = head.keep_alive
        if not head.path.startswith(INBOUND):
            self._side_head = head
            return self._begin_body(head, _SIDE_BODY_BYTES_MAX)
        exchange = self._exchange = service.receiver.open(head, self._peer)
        refusal = service.receiver.refuse_method(exchange)
        if refusal is not None:
            self._write(refusal, linger=head.content_length != 0)
            return True
        return self._begin_body(head, exchange.body_bytes_max)

    def _begin_body(self, head: Head, bytes_max: int) -> bool:
        length = head.content_length
        if 0 <= length <= len(self._buffer) and length <= bytes_max:
            body, self._buffer = self._buffer[:length], self._buffer[length:]
            self._finish(body)
            return True
        if length > bytes_max:
            self._refuse("body_too_large", answers.BODY_TOO_LARGE)
            return False
        if length < 0:
            self._chunked = ChunkedBody()
        self._body_left = length
        self.deadline = self._service.loop.time() + self._service.body_seconds
        if not self._buffer and head.headers.get("expect", "").lower() == "100-continue":
            self._transport.write(answers.CONTINUE)
        return True

    def _read_body(self) -> bool:
        """Take what has arrived of the body. False when more bytes are needed."""
        chunked, buffer = self._chunked, self._buffer
        if chunked is not None:
            self._buffer, whole = chunked.feed(buffer)
            if chunked.length > self._body_bytes_max():
                self._refuse("body_too_large", answers.BODY_TOO_LARGE)
                return False
            if whole:
                self._finish(chunked.body())
            return whole
        taken = buffer[: self._body_left]
        self._parts.append(taken)
        self._buffer = buffer[len(taken) :]
        self._body_left -= len(taken)
        if self._body_left:
            return False
        self._finish(b"".join(self._parts))
        return True

    def _body_bytes_max(self) -> int:
        return _SIDE_BODY_BYTES_MAX if self._exchange is None else self._exchange.body_bytes_max

    def _finish(self, body: bytes) -> None:
        """The request is whole: have it decided."""
        exchange = self._exchange
        self._parts = []
        self._chunked = None
        if exchange is not None:
            decision = self._service.receiver.receive(exchange, body, self)
            if isinstance(decision, Pending):
                self._wait()
            elif isinstance(decision, Refused) and self._service.pace.milliseconds:
                self._wait()
                self._service.pace.hold(self, decision.answer, self._whole_at_ns)
            else:
                self._write(decision.answer if isinstance(decision, Refused) else decision)
            return
        assert self._side_head is not None  # noqa: S101 - one of the two is set while a body is read
        self._wait()
        task = self._service.loop.create_task(self._answer_aside(self._side_head, body))
        self._service.tasks.add(task)
        task.add_done_callback(self._service.tasks.discard)

    def _wait(self) -> None:
        """The answer comes later; nothing else is read until then."""
        self._pending = True
        self.deadline = _FOREVER

    async def _answer_aside(self, head: Head, body: bytes) -> None:
        line, rest = await self._service.side.answer(head, body)
        if self._closing:
            return
        self._write((line, rest))
        self._advance()

    def _refuse(self, outcome: str, answer: Answer) -> None:
        """Answer before the request is whole; what still comes of it is thrown away."""
        exchange = self._exchange
        if exchange is not None:
            answer = self._service.receiver.reject(exchange, outcome, outcome, answer)
        elif self._side_head is None:
            self._service.receiver.count_malformed(outcome)
        self._write(answer, linger=True)

    def _write(self, answer: Answer, *, linger: bool = False) -> None:
        """Send an answer; then the next request, or the end of the connection."""
        line, rest = answer
        service, transport = self._service, self._transport
        head = self._side_head if self._exchange is None else self._exchange.head
        if head is not None and head.method == "HEAD":
            rest = rest[: rest.index(_END) + len(_END)]
        is_last = self._half_closed and not self._buffer
        if self._keep_alive and not (is_last or linger or service.stopping):
            transport.write(b"%s%s%s" % (line, service.date, rest))
            self._forget_request()
            return
        transport.write(b"%s%s%s%s" % (line, service.date, answers.CLOSE, rest))
        self._forget_request()
        self._closing = True
        self._buffer = b""
        if not linger:
            transport.close()
            return
        # Closing with unread bytes would reset the connection and could take the answer with it.
        self.deadline = service.loop.time() + _LINGER_SECONDS
        if transport.can_write_eof():
            transport.write_eof()

    def _discard(self, data: bytes) -> None:
        self._discarded_bytes += len(data)
        if self._discarded_bytes > _LINGER_BYTES_MAX:
            self._transport.abort()
