"""An answer of SQL on its way between two processes: batches, then its end or an error, so that none looks whole that
is not."""

import struct
from collections.abc import Iterator

import orjson
import pyarrow as pa

from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError, HooklineError

MEDIA_TYPE = "application/vnd.hookline.sql-frames"
_HEAD = struct.Struct(">cI")
_BATCH, _ERROR, _END = b"B", b"E", b"Z"
_FRAME_BYTES_MAX = 1_073_741_824


def frames_of(batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """One frame per batch; an error of the store becomes the last one."""
    try:
        for batch in batches:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            yield _frame(_BATCH, sink.getvalue().to_pybytes())
    except (ClickHouseRefusedError, ClickHouseUnavailableError) as error:
        yield error_frame(error)
        return
    yield _frame(_END, b"")


def error_frame(error: ClickHouseRefusedError | ClickHouseUnavailableError) -> bytes:
    """The last frame of an answer that did not come to its end."""
    kind = "refused" if isinstance(error, ClickHouseRefusedError) else "unavailable"
    return _frame(_ERROR, orjson.dumps({"kind": kind, "message": str(error)}))


def batches_of(chunks: Iterator[bytes]) -> Iterator[pa.RecordBatch]:
    """The batches again. Raises what the other side did, and ClickHouseUnavailableError where the end is missing."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(held)
            if size > _FRAME_BYTES_MAX:
                raise ClickHouseUnavailableError("the answer is none of Hookline's")
            if len(held) < _HEAD.size + size:
                break
            content = bytes(held[_HEAD.size : _HEAD.size + size])
            del held[: _HEAD.size + size]
            if kind == _END:
                return
            if kind == _ERROR:
                raise _error_of(content)
            with pa.ipc.open_stream(content) as reader:
                yield from reader
    raise ClickHouseUnavailableError("the answer broke off before its end: run the statement again")


def _frame(kind: bytes, content: bytes) -> bytes:
    return _HEAD.pack(kind, len(content)) + content


def _error_of(content: bytes) -> HooklineError:
    error = orjson.loads(content)
    kind = ClickHouseRefusedError if error["kind"] == "refused" else ClickHouseUnavailableError
    return kind(error["message"])
