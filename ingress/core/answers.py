"""Answers as bytes. Those without an id are built once; the accepted one is a template."""

from collections.abc import Mapping

REASONS: Mapping[int, str] = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
RETRY_AFTER_SECONDS = 5
_JSON = b"content-type: application/json\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"connection: close\r\n"
_WITHOUT_CONTENT = frozenset({204, 205})


def build(status: int, body: bytes = b"", headers: bytes = b"") -> tuple[bytes, bytes]:
    """Status line, and everything after the place where date and connection go. `headers` are whole lines."""
    line = f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n".encode()
    kind = _JSON if body else b""
    return line, b"%s%scontent-length: %d\r\n\r\n%s" % (headers, kind, len(body), body)


Answer = tuple[bytes, bytes]

ACCEPTED_LINE = b"HTTP/1.1 200 OK\r\n"
ACCEPTED_REST = b'content-type: application/json\r\ncontent-length: 54\r\nx-delivery-id: %s\r\n\r\n{"delivery_id":"%s"}'

MALFORMED = build(400, b'{"error":"bad_request"}')
UNAUTHORIZED = build(401)
METHOD_NOT_ALLOWED = build(405, headers=b"allow: POST, PUT, PATCH\r\n")
BODY_TIMED_OUT = build(408)
BODY_TOO_LARGE = build(413, b'{"error":"body_too_large"}')
HEADERS_TOO_LARGE = build(431)
UNAVAILABLE = build(503, b'{"error":"unavailable"}', b"retry-after: %d\r\n" % RETRY_AFTER_SECONDS)


def accepted(delivery_id: bytes, rest: bytes | None = None) -> Answer:
    """The answer after the broker's acknowledgement. With a `rest` (`with_content`) the id is in a header alone."""
    if rest is None:
        return ACCEPTED_LINE, ACCEPTED_REST % (delivery_id, delivery_id)
    return ACCEPTED_LINE, b"x-delivery-id: %s\r\n%s" % (delivery_id, rest)


def with_content(body: bytes, content_type: str) -> bytes:
    """The end of an answer: the headers of its body, and the body, which may be empty."""
    kind = b"content-type: %s\r\n" % content_type.encode("latin-1") if body else b""
    return b"%scontent-length: %d\r\n\r\n%s" % (kind, len(body), body)


def invalid_json(delivery_id: bytes) -> Answer:
    """A verified request that is kept although it is not JSON."""
    body = b'{"delivery_id":"%s","error":"invalid_json"}' % delivery_id
    return build(400, body, b"x-delivery-id: %s\r\n" % delivery_id)


def unavailable(delivery_id: bytes) -> Answer:
    """Not acknowledged in time; the id names the attempt, which may or may not have been written."""
    line, rest = UNAVAILABLE
    return line, b"x-delivery-id: %s\r\n%s" % (delivery_id, rest)


def handshake(status: int, content_type: str, body: bytes) -> Answer:
    """What a handshake rule answers. The browser is told to take the type as it is."""
    line = f"HTTP/1.1 {status} {REASONS.get(status, 'OK')}\r\n".encode()
    headers = b"x-content-type-options: nosniff\r\n"
    if status in _WITHOUT_CONTENT:
        return line, b"%s%s\r\n" % (headers, b"" if status == 204 else b"content-length: 0\r\n")
    return line, headers + with_content(body, content_type)


def address_limited(retry_after_seconds: int) -> Answer:
    """Too many proofs have failed from the source address."""
    return build(429, b'{"error":"rate_limited"}', b"retry-after: %d\r\n" % retry_after_seconds)


def rate_limited(limit: int, retry_after_seconds: int, reset_seconds: int) -> Answer:
    """Over the webhook's rate."""
    headers = b"retry-after: %d\r\nratelimit-limit: %d\r\nratelimit-remaining: 0\r\nratelimit-reset: %d\r\n" % (
        retry_after_seconds,
        limit,
        reset_seconds,
    )
    return build(429, b'{"error":"rate_limited"}', headers)
