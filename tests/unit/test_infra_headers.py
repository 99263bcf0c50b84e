"""Record headers: what one stage encodes the next decodes, and what is broken is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import headers as record_headers
from schemas.headers import PREFIX, DeliveryHeaders, HeaderError, RawHeaders, RecordPlace, Replay, decode, encode

PLAIN = DeliveryHeaders("d", "t", "w", 3, 1_750_000_000_000_000, b'{"method":"POST"}')
PLACE = RecordPlace("webhooks.request.received.v1", 3, 1_812, 1_750_000_000_000)
REPLAY = Replay("r", "o", "fill", 1, 1_750_000_000_000_000, PLACE)
FULL = PLAIN._replace(dedupe_key="alert-1", traceparent="00-aa-bb-01", replay=REPLAY, is_test=True)
#: Any text a sender may cause, lone surrogates of JSON escapes included.
SENDER_TEXT = st.text(st.characters(), max_size=40)
IDS = st.text(st.characters(codec="utf-8"), max_size=40)
HEADERS = st.builds(
    DeliveryHeaders,
    delivery_id=IDS,
    tenant_id=IDS,
    webhook_id=IDS,
    config_version=st.integers(0, 2**63),
    received_at_us=st.integers(0, 2**63),
    request=st.binary(min_size=1, max_size=60),
    dedupe_key=st.none() | SENDER_TEXT,
    traceparent=st.none() | IDS,
    replay=st.none()
    | st.builds(
        Replay,
        IDS,
        IDS,
        st.sampled_from(["redrive", "fill"]),
        st.integers(0, 9),
        st.none() | st.integers(0, 2**63),
        st.none() | st.builds(RecordPlace, IDS, st.integers(0, 99), st.integers(0, 2**63), st.integers(0, 2**50)),
    ),
    is_test=st.booleans(),
)


@given(HEADERS)
def test_what_is_encoded_is_decoded_unchanged(headers: DeliveryHeaders) -> None:
    assert decode(encode(headers)) == headers


@given(HEADERS)
def test_every_header_stands_once_and_carries_the_prefix(headers: DeliveryHeaders) -> None:
    names = [name for name, _ in encode(headers)]
    assert len(names) == len(set(names))
    assert all(name.startswith(PREFIX) or name == record_headers.TRACEPARENT for name in names)


def test_an_empty_dedupe_key_is_not_the_same_as_none() -> None:
    assert decode(encode(PLAIN._replace(dedupe_key=""))).dedupe_key == ""
    assert decode(encode(PLAIN)).dedupe_key is None


def test_headers_of_others_are_left_alone() -> None:
    raw: RawHeaders = [("b3", b"\xff"), *encode(FULL), ("x-foreign", b"1")]
    assert decode(raw) == FULL


@pytest.mark.parametrize(
    "name",
    [
        record_headers.DELIVERY_ID,
        record_headers.TENANT_ID,
        record_headers.WEBHOOK_ID,
        record_headers.CONFIG_VERSION,
        record_headers.RECEIVED_AT,
    ],
)
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(HeaderError, match=f"{name} is missing"):
        decode([header for header in encode(FULL) if header[0] != name])


@pytest.mark.parametrize("name", [record_headers.REPLAY_OF, record_headers.REPLAY_MODE, record_headers.REPLAY_DEPTH])
def test_a_replay_is_whole_or_refused(name: str) -> None:
    with pytest.raises(HeaderError, match=f"{name} is missing"):
        decode([header for header in encode(FULL) if header[0] != name])


def test_a_replay_of_an_earlier_release_says_nothing_of_its_origin() -> None:
    later = {record_headers.REPLAY_RECEIVED_AT, record_headers.REPLAY_PLACE}
    assert decode([header for header in encode(FULL) if header[0] not in later]).replay == Replay("r", "o", "fill", 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (record_headers.DELIVERY_ID, b"\xff\xfe"),
        (record_headers.DELIVERY_ID, None),
        (record_headers.TENANT_ID, None),
        (record_headers.CONFIG_VERSION, b"three"),
        (record_headers.CONFIG_VERSION, None),
        (record_headers.RECEIVED_AT, b""),
        (record_headers.DEDUPE_KEY, b"\xff"),
        (record_headers.TRACEPARENT, b"\xff"),
        (record_headers.REPLAY_DEPTH, b"x"),
        (record_headers.REPLAY_RECEIVED_AT, b"yesterday"),
        (record_headers.REPLAY_PLACE, b"webhooks.request.received.v1:3:1812"),
        (record_headers.REPLAY_PLACE, b"webhooks.request.received.v1:3:x:1"),
    ],
)
def test_a_malformed_header_is_named(name: str, value: bytes | None) -> None:
    raw = [(header, value if header == name else content) for header, content in encode(FULL)]
    with pytest.raises(HeaderError, match=name):
        decode(raw)


@pytest.mark.parametrize("raw", [None, []])
def test_a_record_without_headers_is_refused(raw: RawHeaders | None) -> None:
    with pytest.raises(HeaderError, match="missing"):
        decode(raw)


@given(st.lists(st.tuples(st.sampled_from([n for n, _ in encode(FULL)]), st.none() | st.binary(max_size=8))))
def test_garbage_never_raises_anything_but_a_header_error(raw: list[tuple[str, bytes | None]]) -> None:
    try:
        decode(raw)
    except HeaderError as error:
        assert str(error)  # noqa: PT017  # both ends are right; only another exception is wrong
