"""Heads and chunked bodies: what can be read in one way only is read, the rest is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.requests.query import parse_query
from ingress.core.http1 import BadRequestError, ChunkedBody, parse_head


def head(*lines: str, line: str = "POST /api/inbound/acme/rmm?x=1 HTTP/1.1", host: str = "Host: h") -> bytes:
    return "".join(f"{text}\r\n" for text in (line, host, *lines) if text).encode("latin-1")


def test_a_plain_head_is_read() -> None:
    read = parse_head(head("Content-Length: 12", "X-Signature:  abc \t", "X-Empty:"))
    assert (read.method, read.path, read.query) == ("POST", "/api/inbound/acme/rmm", "x=1")
    assert read.headers == {"host": "h", "content-length": "12", "x-signature": "abc", "x-empty": ""}
    assert read.keep_alive
    assert read.content_length == 12


def test_repeated_headers_are_joined() -> None:
    assert parse_head(head("X-A: 1", "x-a: 2")).headers["x-a"] == "1, 2"


def test_an_absolute_target_is_reduced_to_its_path() -> None:
    assert parse_head(head(line="POST http://example.com:80/a/b?c HTTP/1.1")).path == "/a/b"
    assert parse_head(head(line="POST http://example.com HTTP/1.1")).path == "/"


@pytest.mark.parametrize(
    ("line", "connection", "keeps"),
    [
        ("POST / HTTP/1.1", "", True),
        ("POST / HTTP/1.1", "Connection: close", False),
        ("POST / HTTP/1.1", "Connection: x, Close", False),
        ("POST / HTTP/1.0", "", False),
        ("POST / HTTP/1.0", "Connection: keep-alive", True),
    ],
)
def test_whether_the_connection_is_kept(line: str, connection: str, keeps: bool) -> None:
    assert parse_head(head(connection, line=line)).keep_alive is keeps


AMBIGUOUS = [
    ("both lengths", head("Content-Length: 5", "Transfer-Encoding: chunked")),
    ("two content-lengths", head("Content-Length: 5", "Content-Length: 6")),
    ("two equal content-lengths", head("Content-Length: 5", "Content-Length: 5")),
    ("listed content-lengths", head("Content-Length: 5, 5")),
    ("signed content-length", head("Content-Length: +5")),
    ("negative content-length", head("Content-Length: -1")),
    ("hexadecimal content-length", head("Content-Length: 0x5")),
    ("content-length with underscore", head("Content-Length: 1_0")),
    ("content-length in other digits", head("Content-Length: \xb2")),
    ("empty content-length", head("Content-Length:")),
    ("other coding", head("Transfer-Encoding: gzip, chunked")),
    ("identity coding", head("Transfer-Encoding: identity")),
    ("two codings", head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")),
    ("chunked in HTTP/1.0", head("Transfer-Encoding: chunked", line="POST / HTTP/1.0")),
    ("blank line inside", head("", "X: 1").replace(b"X: 1", b"\r\nX: 1")),
    ("no line end", b"POST / HTTP/1.1\r\nHost: h"),
    ("blank before the colon", head("Content-Length : 5")),
    ("folded line", head("X-A: 1", " folded")),
    ("no colon", head("X-A")),
    ("empty name", head(": 1")),
    ("bare line feed", b"POST / HTTP/1.1\r\nHost: h\nX: 1\r\n"),
    ("bare carriage return", b"POST / HTTP/1.1\r\nHost: h\rX: 1\r\n"),
    ("zero byte", b"POST / HTTP/1.1\r\nHost: h\x00\r\n"),
    ("no host", head(host="")),
    ("two hosts", head("Host: other")),
    ("other version", head(line="POST / HTTP/2.0")),
    ("two blanks", head(line="POST  / HTTP/1.1")),
    ("no target", head(line="POST HTTP/1.1")),
    ("relative target", head(line="POST a/b HTTP/1.1")),
    ("method with a colon", head(line="PO:ST / HTTP/1.1")),
]


@pytest.mark.parametrize("raw", [raw for _, raw in AMBIGUOUS], ids=[name for name, _ in AMBIGUOUS])
def test_what_is_ambiguous_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequestError):
        parse_head(raw)


def test_a_missing_length_is_no_body_and_chunked_is_minus_one() -> None:
    assert parse_head(head()).content_length == 0
    assert parse_head(head("Transfer-Encoding: Chunked")).content_length == -1


def read_chunked(raw: bytes, cuts: list[int]) -> tuple[bytes, bytes, bool]:
    """Feed `raw` in pieces; gives body, what was left over, and whether it was whole."""
    body, left, whole, at = ChunkedBody(), b"", False, 0
    for cut in [*sorted(cuts), len(raw)]:
        left, at = left + raw[at:cut], max(at, cut)
        if not whole:
            left, whole = body.feed(left)
    return body.body(), left, whole


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.lists(st.integers(0, 200), max_size=8))
def test_a_chunked_body_is_the_same_however_it_arrives(chunks: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nX-Trailer: 1\r\n\r\nNEXT"
    cuts = [min(cut, len(raw)) for cut in cuts]
    assert read_chunked(raw, cuts) == (b"".join(chunks), b"NEXT", True)


@pytest.mark.parametrize(
    "raw",
    [
        b"5\r\nhelloX\r\n",
        b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"\r\nhello",
        b"5 5\r\nhello",
        b"fffffffff\r\n",
        b"z\r\n",
        b"5" + b" " * 300,
        b"0\r\n" + b"X: y\r\n" * 5_000,
    ],
)
def test_a_malformed_chunk_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequestError):
        read_chunked(raw, [])


def test_the_announced_length_counts_before_the_bytes_arrive() -> None:
    body = ChunkedBody()
    assert body.feed(b"ffffff\r\nabc") == (b"", False)
    assert body.length == 0xFFFFFF
    assert body.body() == b"abc"


def test_a_query_is_read_and_bounded() -> None:
    assert parse_query("a=1&b=%20x+y&a=2&c&=z") == {"a": "2", "b": " x y", "c": ""}
    assert len(parse_query("&".join(f"k{n}=1" for n in range(1_000)))) == 100
