"""Exports of the logs: rows as CSV or JSON Lines, streamed, one block of them in memory at a time.

What is wrong before the first block is an ordinary error. After it the answer has begun, with a length nobody knows:
when something fails then, or takes too long, the connection ends without the last chunk, so that a client sees that the
answer is not whole.
"""

import asyncio
import csv
import io
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import orjson
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from management.errors import TooManyRequestsError
from management.moments import Moment

ExportFormat = Literal["csv", "jsonl"]
#: Each takes a connection to ClickHouse for as long as it lasts, and those are few.
EXPORTS_AT_ONCE_MAX = 2
EXPORT_SECONDS_MAX = 3_600.0
#: Rows in memory at once; fewer where each may bring a body of 1 MiB.
BLOCK_ROWS_MAX = 512
WHOLE_BODY_ROWS_MAX = 64
_RETRY_AFTER_SECONDS = "10"
_MEDIA_TYPES: dict[ExportFormat, str] = {"csv": "text/csv; charset=utf-8; header=present", "jsonl": "application/jsonl"}
#: A spreadsheet takes a cell that begins with one of these for a formula; so it gets a ' in front.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}")
_MORE_STARTS = ("\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")

Item = TypeVar("Item", bound=BaseModel)
#: In the OpenAPI document.
EXPORT_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A file. When the connection ends before the last chunk, it is not whole",
        "content": {media: {"schema": {"type": "string"}} for media in ("text/csv", "application/jsonl")},
    }
}


class ExportRequest(BaseModel):
    """In which form a log is exported, and which time of it: since ≤ t < until."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: ExportFormat = "csv"
    since: Moment | None = None
    until: Moment | None = None


class ExportRoom:
    """How many exports may run at once in this process."""

    def __init__(self, at_once_max: int = EXPORTS_AT_ONCE_MAX) -> None:
        self._places = threading.BoundedSemaphore(at_once_max)

    def held(self, chunks: Generator[bytes]) -> Generator[bytes]:
        """The chunks, in a place that is given back after the last. Raises TooManyRequestsError at the first one."""
        if not self._places.acquire(blocking=False):
            raise TooManyRequestsError(
                "other exports are running; try again when one has ended", headers={"Retry-After": _RETRY_AFTER_SECONDS}
            )
        try:
            yield from chunks
        finally:
            self._places.release()


class ExportResponse(StreamingResponse):
    """A file that is sent as it is made. Made in a thread: the first chunk is waited for, so that it may still fail."""

    def __init__(self, chunks: Generator[bytes], format_: ExportFormat, name: str, at: datetime) -> None:
        first = next(chunks, b"")
        self._chunks = chunks
        file_name = f"{name}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.{format_}"
        headers = {
            "Content-Type": _MEDIA_TYPES[format_],
            "Content-Disposition": f'attachment; filename="{file_name}"',
        }
        super().__init__(self._sent(first), headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says. Raises TimeoutError for a client that reads for too long."""
        try:
            async with asyncio.timeout(EXPORT_SECONDS_MAX):
                await super().__call__(scope, receive, send)
        finally:
            self._chunks.close()

    async def _sent(self, first: bytes) -> AsyncIterator[bytes]:
        yield first
        while (chunk := await run_in_threadpool(next, self._chunks, None)) is not None:
            yield chunk


class Lines(Generic[Item]):
    """Turns rows into the lines of one format; columns of CSV are the members of `model`."""

    def __init__(self, model: type[Item], format_: ExportFormat) -> None:
        self._columns = tuple(_columns(model))
        self._format = format_

    def chunks(
        self, blocks: Iterable[Sequence[Any]], shown: Callable[[Sequence[Any]], Iterable[Item]]
    ) -> Iterator[bytes]:
        """One chunk per block; the first of CSV begins with a line of names."""
        if self._format == "jsonl":
            for block in blocks:
                yield "".join(f"{item.model_dump_json()}\n" for item in shown(block)).encode()
            return
        begun = _csv_lines([[name for name, _ in self._columns]])
        for block in blocks:
            yield begun + _csv_lines([_cell(item, path) for _, path in self._columns] for item in shown(block))
            begun = b""
        if begun:
            yield begun


def _columns(
    model: type[BaseModel], prefix: str = "", path: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names and paths of a model's members; those of a model within it have its name in front. A list is one cell."""
    for name, field in model.model_fields.items():
        parts = () if get_origin(field.annotation) is list else get_args(field.annotation)
        inner = [one for one in (field.annotation, *parts) if _is_model(one)]
        if inner:
            yield from _columns(inner[0], f"{prefix}{name}_", (*path, name))
        else:
            yield f"{prefix}{name}", (*path, name)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _cell(item: BaseModel, path: tuple[str, ...]) -> Any:
    value: Any = item
    for name in path:
        value = None if value is None else getattr(value, name)
    if value is None or isinstance(value, int | float):
        return "" if value is None else str(value).lower() if isinstance(value, bool) else value
    return _harmless(
        orjson.dumps(value, default=_members_of).decode() if isinstance(value, dict | list) else str(value)
    )


def _members_of(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS + _MORE_STARTS) else text


def _csv_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """As RFC 4180 says. Every text is quoted: programs that part cells by other signs than commas find none in it."""
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode("utf-8", "replace")
