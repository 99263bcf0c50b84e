"""HTTP/1.1 request heads and chunked bodies, read strictly (RFC 9112): what is ambiguous is refused, never repaired.

Refused, because front and back could disagree on where a request ends: both content-length and transfer-encoding,
differing or malformed lengths, any coding but `chunked`, folded lines, bare LF, blanks before a colon, control bytes.
"""

import re
from itertools import islice
from typing import NamedTuple

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_REQUEST_LINE = re.compile(rf"({_NAME}{{1,32}}) ([!-~\x80-\xff]+) HTTP/1\.([01])")
_FIELD = re.compile(rf"({_NAME}+):[\t ]*([\t -~\x80-\xff]*)")
_ABSOLUTE = re.compile(r"https?://[^/?]*", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[\t ]*(?:;[\t -~\x80-\xff]*)?")
_LENGTH = re.compile(r"[0-9]{1,15}")
_ONE_ONLY = frozenset({"content-length", "host", "transfer-encoding", "content-type"})
# A sender repeats these lines in every request, and none of them is a secret: what they parse to is remembered.
_REPEATING = frozenset({"host", "user-agent", "content-type", "accept", "accept-encoding", "connection"})
_KNOWN_LINES: dict[str, tuple[str, str]] = {}
_KNOWN_LINES_MAX = 1_024
_KNOWN_LINE_LENGTH_MAX = 256
_CRLF_BYTES = 2
_CHUNK_LINE_BYTES_MAX = 256
_TRAILER_BYTES_MAX = 8_192


class BadRequestError(ValueError):
    """The bytes are not an HTTP/1.1 request that can be read in one way only."""


class Head(NamedTuple):
    """A request head. Header names are lower-case; repeated headers are joined with `, `.

    `content_length` is -1 for a chunked body. `query` is the raw text after the question mark.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    keep_alive: bool
    content_length: int


def parse_head(raw: bytes) -> Head:
    """Read a head: from the request line to the CRLF of the last header, without the blank line.

    Raises BadRequestError.
    """
    lines = raw.decode("latin-1").split("\r\n")
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None or lines.pop():
        raise BadRequestError("malformed head")
    method, target, minor = match.groups()
    headers = _parse_fields(lines)
    modern = minor == "1"
    if modern and "host" not in headers:
        raise BadRequestError("host is missing")
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        path = _ABSOLUTE.sub("", path, count=1) or "/"
        if not path.startswith("/") and path != "*":
            raise BadRequestError("malformed target")
    connection = headers.get("connection")
    keep_alive = modern if connection is None else _keeps_alive(connection, modern=modern)
    return Head(method, path, query, headers, keep_alive, _body_length(headers, modern=modern))


def _parse_fields(lines: list[str]) -> dict[str, str]:
    """Header fields of all `lines` but the first."""
    headers: dict[str, str] = {}
    known = _KNOWN_LINES.get
    for line in islice(lines, 1, None):
        name, value = known(line) or _parse_field(line)
        if name in headers:
            if name in _ONE_ONLY:
                raise BadRequestError(f"{name} is given twice")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def _parse_field(line: str) -> tuple[str, str]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise BadRequestError("malformed header")
    field = match[1].lower(), match[2].rstrip(" \t")
    if field[0] in _REPEATING and len(line) <= _KNOWN_LINE_LENGTH_MAX:
        if len(_KNOWN_LINES) >= _KNOWN_LINES_MAX:
            _KNOWN_LINES.clear()
        _KNOWN_LINES[line] = field
    return field


def _keeps_alive(connection: str, *, modern: bool) -> bool:
    options = {option.strip() for option in connection.lower().split(",")}
    return "close" not in options if modern else "keep-alive" in options


def _body_length(headers: dict[str, str], *, modern: bool) -> int:
    length = headers.get("content-length")
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if length is not None or coding.lower() != "chunked" or not modern:
            raise BadRequestError("ambiguous body length")
        return -1
    if length is None:
        return 0
    if _LENGTH.fullmatch(length) is None:
        raise BadRequestError("malformed content-length")
    return int(length)


class ChunkedBody:
    """Joins a chunked body; it never holds more than it was asked to, plus one read."""

    __slots__ = ("_in_trailer", "_left", "_trailer_bytes", "length", "parts")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.length = 0
        self._left = 0
        self._in_trailer = False
        self._trailer_bytes = 0

    def feed(self, raw: bytes) -> tuple[bytes, bool]:
        """Take what can be taken from `raw`; returns what is left of it and whether the body is whole.

        `length` grows at once with the announced size, so that a cap can be applied before the bytes arrive.
        """
        while True:
            if self._left:
                taken = raw[: self._left - _CRLF_BYTES]
                if taken:
                    self.parts.append(taken)
                    raw, self._left = raw[len(taken) :], self._left - len(taken)
                if self._left > _CRLF_BYTES or len(raw) < _CRLF_BYTES:
                    return raw, False
                if not raw.startswith(b"\r\n"):
                    raise BadRequestError("malformed chunk")
                raw, self._left = raw[_CRLF_BYTES:], 0
            line, found, rest = raw.partition(b"\r\n")
            if not found:
                if len(raw) > _CHUNK_LINE_BYTES_MAX:
                    raise BadRequestError("malformed chunk")
                return raw, False
            raw = rest
            if not self._in_trailer:
                self._begin_chunk(line)
            elif not line:
                return raw, True
            else:
                self._skip_trailer(line)

    def body(self) -> bytes:
        return b"".join(self.parts)

    def _skip_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > _TRAILER_BYTES_MAX:
            raise BadRequestError("trailer too large")

    def _begin_chunk(self, line: bytes) -> None:
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise BadRequestError("malformed chunk")
        size = int(match[1], 16)
        if size == 0:
            self._in_trailer = True
            return
        self.length += size
        self._left = size + _CRLF_BYTES
