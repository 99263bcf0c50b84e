"""Hostile bytes at the HTTP edge are read in one way only, as a foreign reader (h11) reads them, or refused."""

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.addresses import client_address, parse_networks
from infra.requests.headers import STORED_BYTES_MAX, STORED_OF_NOBODY
from infra.requests.query import QUERY_FIELDS_MAX, parse_query
from ingress.core.facts import request_facts
from ingress.core.http1 import BadRequestError, ChunkedBody, Head, parse_head
from schemas.records import RequestFacts

PROXIES = parse_networks(["10.0.0.0/8", "::1/128"])
BLANKS = st.sampled_from(["", " ", "\t", "  "])
NAMES = st.sampled_from(
    ["Host", "Content-Length", "content-length", "Transfer-Encoding", "Connection", "X-A", "Expect", "Content-Type", ""]
)
VALUES = st.one_of(
    st.sampled_from(["h", "5", "05", "+5", "-1", "0x5", "5, 5", "5,6", "\x0b5", "5\x00", "\x855", "9" * 15, "9" * 400]),
    st.sampled_from(["chunked", "Chunked", "gzip, chunked", "chunked, chunked", "identity", "close", "keep-alive"]),
    st.sampled_from(["", "caf\xe9", "a\rb", "100-continue"]),
)
FIELDS = st.one_of(
    st.builds(lambda name, before, after, value: f"{name}{before}:{after}{value}", NAMES, BLANKS, BLANKS, VALUES),
    st.sampled_from([" folded", "\tfolded", "no colon", ": no name", "X\xe9: 1", "X-A:\x7f"]),
)
LINES = st.one_of(
    st.sampled_from(["POST /a HTTP/1.1", "POST /a?b HTTP/1.1", "GET http://h/a HTTP/1.1", "POST * HTTP/1.1"]),
    st.sampled_from(["POST  /a HTTP/1.1", "POST /a HTTP/1.0", "POST /a HTTP/2.0", "POST /a", "PO ST /a HTTP/1.1"]),
    st.sampled_from(["POST /a\x00 HTTP/1.1", "POST /\xe9 HTTP/1.1", "POST a HTTP/1.1", "post /a HTTP/1.1"]),
)
ENDS = st.sampled_from(["\r\n"] * 8 + ["\n", "\r", "\r\r\n"])


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """A request head, mostly of parts that are nearly right."""
    lines = [draw(LINES), *draw(st.lists(FIELDS, max_size=5))]
    if draw(st.booleans()):
        lines.insert(1, "Host: h")
    return "".join(line + draw(ENDS) for line in lines).encode("latin-1")


def read(raw: bytes) -> Head | None:
    try:
        return parse_head(raw)
    except BadRequestError:
        return None


def framing_by_h11(raw: bytes) -> int | None:
    """The length of the body as h11 reads it, -1 for a chunked one; None where it refuses the request."""
    connection = h11.Connection(h11.SERVER)
    try:
        connection.receive_data(raw + b"\r\n")
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.Request):
        return None
    fields = dict(event.headers)
    if b"transfer-encoding" in fields:
        return -1
    return int(fields.get(b"content-length", b"0"))


@given(heads())
@settings(max_examples=600, deadline=None)
def test_where_a_body_ends_is_never_read_otherwise_than_by_another_server(raw: bytes) -> None:
    head = read(raw)
    other = framing_by_h11(raw)
    if head is not None and other is not None:
        assert head.content_length == other


def test_the_foreign_reader_does_read_what_is_compared() -> None:
    """Else the comparison above would hold because nothing is ever read by both."""
    for raw, length in (
        (b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n", 5),
        (b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n", -1),
        (b"POST /a HTTP/1.1\r\nHost: h\r\n", 0),
    ):
        head = read(raw)
        assert head is not None
        assert head.content_length == framing_by_h11(raw) == length


@given(st.one_of(heads(), st.binary(max_size=300)))
@settings(max_examples=600, deadline=None)
def test_a_head_is_read_or_refused_and_what_is_read_can_be_stored(raw: bytes) -> None:
    head = read(raw)
    if head is None:
        return
    assert all(name == name.lower() and name for name in head.headers)
    assert not any(mark in value for value in head.headers.values() for mark in "\r\n\x00")
    facts = RequestFacts.model_validate_json(request_facts(head, STORED_OF_NOBODY, "::1", 1, invalid_json=False))
    assert facts.path == head.path


def in_pieces(raw: bytes, cuts: list[int]) -> tuple[bytes, bytes] | None:
    """A chunked body fed in pieces: its bytes and what is left behind it; None: refused. (b"", raw): never whole."""
    body, buffer, at = ChunkedBody(), b"", 0
    try:
        for cut in [*sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]:
            buffer, at = buffer + raw[at:cut], cut
            buffer, whole = body.feed(buffer)
            if whole:
                return body.body(), buffer + raw[at:]
    except BadRequestError:
        return None
    return b"", raw


CHUNK_LINES = st.one_of(
    st.sampled_from([b"5", b"05", b"0", b"5;a=b", b"5 ", b"5;", b"+5", b"0x5", b"-1", b"", b"g"]),
    st.sampled_from([b"ffffffff", b"fffffffff", b"5\x00", b"5;\x01"]),
)
CHUNKED_ENDS = st.sampled_from([b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\n", b"", b"00\r\n\r\n", b"0\r\n\r\nPOST / "])


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    """Chunks, mostly well formed."""
    raw = b""
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.integers(0, 5)):
            part = draw(st.binary(min_size=1, max_size=12))
            raw += b"%x\r\n%s\r\n" % (len(part), part)
        else:
            raw += draw(CHUNK_LINES) + draw(st.sampled_from([b"\r\n", b"\n", b"\r", b""])) + b"hello\r\n"
    return raw + draw(CHUNKED_ENDS)


@given(chunked(), st.lists(st.integers(0, 200), max_size=6))
@settings(max_examples=600, deadline=None)
@example(raw=b"5\r\nhello\r\n0\r\n\r\n", cuts=[1, 2, 3, 4, 9, 10, 11])
def test_a_chunked_body_means_the_same_however_it_arrives(raw: bytes, cuts: list[int]) -> None:
    assert in_pieces(raw, cuts) == in_pieces(raw, [])


@given(chunked())
@settings(max_examples=600, deadline=None)
def test_a_chunked_body_that_is_taken_is_what_another_server_takes(raw: bytes) -> None:
    ours = in_pieces(raw, [])
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + raw)
    body, whole = b"", False
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                whole = True
                break
            elif event is h11.NEED_DATA:
                break
    except h11.RemoteProtocolError:
        return
    if whole and ours is not None and ours != (b"", raw):
        assert ours[0] == body


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_bytes_that_are_no_chunks_are_refused_or_waited_for(raw: bytes) -> None:
    assert in_pieces(raw, [7, 50]) == in_pieces(raw, [])


@given(st.text(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_query_gives_a_bounded_set_of_parameters(query: str) -> None:
    assert len(parse_query(query)) <= QUERY_FIELDS_MAX


@pytest.mark.parametrize("peer", ["10.1.2.3", "::1"])
@given(forwarded=st.one_of(st.text(max_size=200), st.from_regex(r"[0-9a-f.:\[\], %]{0,80}", fullmatch=True)))
@settings(max_examples=300, deadline=None)
def test_what_a_proxy_says_of_the_sender_never_fails(peer: str, forwarded: str) -> None:
    assert client_address(peer, forwarded, PROXIES)


@given(st.dictionaries(st.text(max_size=40), st.text(max_size=3_000), max_size=30))
@settings(max_examples=200, deadline=None)
def test_what_is_stored_of_any_headers_is_bounded(headers: dict[str, str]) -> None:
    picked = STORED_OF_NOBODY.pick(headers)
    assert sum(map(len, picked)) + sum(map(len, picked.values())) <= STORED_BYTES_MAX
