"""Records that anyone may have written to a topic are read or refused by name; what we write is read as it was."""

import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.requests.body import as_json_text
from infra.requests.errors import RecordRefusedError
from infra.requests.plan import loads_json
from processors.core.dedupe import Entry, decode_entry, ends_at_us
from schemas.bodies import FORM, BodyError, parse_body
from schemas.headers import DeliveryHeaders, HeaderError, RecordPlace, Replay, decode, encode
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.rejections import build_rejections
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Rows, Source
from tests.support.analytics import MadeRecord, outcome_record, rejection_record, request_record

AT = 1_790_000_000_000_000
ID = "0192f0c0-0000-7000-8000-000000000011"
SOURCE = Source("topic", "incarnation", 3)
PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
#: A dedupe key may hold lone surrogates: JSON can name them.
ANY_TEXT = st.text(st.characters(), max_size=40)
COUNTS = st.integers(0, 2**53)
PLACES = st.builds(RecordPlace, PLAIN, COUNTS, COUNTS, COUNTS)
HEADERS = st.builds(
    DeliveryHeaders,
    st.uuids().map(str),
    st.uuids().map(str),
    st.uuids().map(str),
    COUNTS,
    COUNTS,
    st.binary(min_size=1, max_size=60),
    st.one_of(st.none(), ANY_TEXT),
    st.one_of(st.none(), PLAIN),
    st.one_of(
        st.none(),
        st.builds(Replay, PLAIN, PLAIN, PLAIN, COUNTS, st.one_of(st.none(), COUNTS), st.one_of(st.none(), PLACES)),
    ),
    st.booleans(),
)
REPLAY = Replay("r", "o", "fill", 1, 1, RecordPlace("t", 0, 1, 1))
GOOD_HEADERS = encode(DeliveryHeaders(ID, ID, ID, 1, 1, b"{}", "k", "t", REPLAY, True))
NAMES = sorted(name for name, _ in GOOD_HEADERS)


def refusal(raw: list[tuple[str, bytes | None]]) -> str | None:
    """What headers are refused with; None: they are read."""
    try:
        decode(raw)
    except HeaderError as error:
        return str(error)
    return None


@given(HEADERS)
@settings(max_examples=300, deadline=None)
def test_what_is_written_into_headers_is_read_from_them(headers: DeliveryHeaders) -> None:
    assert decode(encode(headers)) == headers


@given(st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), PLAIN), st.one_of(st.none(), st.binary(max_size=20)))))
@settings(max_examples=500, deadline=None)
def test_headers_are_read_or_refused_by_name(raw: list[tuple[str, bytes | None]]) -> None:
    refused = refusal(raw)
    if refused is not None:
        assert "header" in refused
    else:
        assert decode(encode(decode(raw))) == decode(raw)


@pytest.mark.parametrize("name", NAMES)
@given(value=st.one_of(st.none(), st.binary(max_size=20)))
@example(value=b"\xed\xa0\x80")  # half of a surrogate pair: only a dedupe key may hold one
@settings(max_examples=60, deadline=None)
def test_one_wrong_header_among_good_ones_is_the_one_that_is_named(name: str, value: bytes | None) -> None:
    refused = refusal([(each, value if each == name else was) for each, was in GOOD_HEADERS])
    assert refused is None or name in refused


@given(st.binary(max_size=80))
@settings(max_examples=500, deadline=None)
def test_a_dedupe_entry_is_read_or_refused(value: bytes) -> None:
    try:
        entry = decode_entry(value)
    except ValueError:
        return
    assert isinstance(entry, Entry)
    assert ends_at_us(value) >= entry.received_at_us


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
    max_leaves=12,
)
ODD_BODIES = st.one_of(
    st.sampled_from(
        [b'{"a":1,"a":2}', b'"\\ud800"', b'{"\\ud800":1}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"NaN"]
    ),
    st.sampled_from(
        [
            b"NaN",
            b"1e999",
            b"-0",
            b"-Infinity",
            b"\x00",
            b" \n",
            b"",
            b"'a'",
            b"1" * 400,
            b"9" * 20,
        ]
    ),
    st.sampled_from([b"[" * 3_000, b'{"a":' * 3_000, b"[" * 150 + b"]" * 150, b"[" * 900 + b"]" * 900]),
    JSON.map(lambda value: json.dumps(value).encode()),
)


@given(
    st.one_of(ODD_BODIES, st.binary(max_size=200)), st.sampled_from([None, "application/json", FORM, f"{FORM}; a=b"])
)
@settings(max_examples=600, deadline=None)
def test_receiver_and_processors_read_the_same_from_a_body(body: bytes, content_type: str | None) -> None:
    """What the receiver takes, processors can read; else a 200 would end in a failure nobody was told of."""
    try:
        value = parse_body(body, content_type)
    except BodyError:
        return
    is_form = content_type is not None and content_type.startswith(FORM)
    try:
        text = as_json_text(body, is_form=is_form)
    except RecordRefusedError as refusal:
        pytest.fail(f"taken as {value!r}, refused as {refusal}")
    assert loads_json(text) == value


GOOD = [request_record(ID, AT, b"{}"), outcome_record(ID, AT), rejection_record(ID, AT)]


@pytest.mark.parametrize("build", [build_requests, build_outcomes, build_rejections])
@given(value=st.binary(max_size=120), at=st.integers(0, 20), good=st.sampled_from(GOOD), cut=st.integers(0, 400))
@settings(max_examples=200, deadline=None)
def test_no_record_stops_the_log(
    build: Callable[[Sequence[MadeRecord], Source], list[Rows]], value: bytes, at: int, good: MadeRecord, cut: int
) -> None:
    """Whatever stands in a topic is one row, if only among what could not be read."""
    headers = [(name, value if number == at else was) for number, (name, was) in enumerate(good.made_headers)]
    spoilt = good.made_value[:cut] + value + good.made_value[cut + 1 :]
    for odd in (MadeRecord(b"", spoilt, headers), MadeRecord(value, good.made_value, headers), MadeRecord(b"", value)):
        assert sum(rows.columns.num_rows for rows in build([odd], SOURCE)) == 1
