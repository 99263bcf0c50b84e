"""Which body a sample capture takes: the first received of its webhook, within its time, from a real sender."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from infra.ids import uuid7_text
from management.request_body import check_body
from management.webhook_samples.schemas import SAMPLE_BYTES_MAX, SAMPLE_DEPTH_MAX, Capture, Sample
from management.webhook_samples.watch import LATE_SECONDS, CaptureWatch
from schemas import headers as record_headers
from schemas.headers import DeliveryHeaders, Replay
from schemas.records import RequestFacts

STARTED_AT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CAPTURE = Capture(uuid4(), uuid4(), STARTED_AT, STARTED_AT + timedelta(seconds=300))
STARTED_US = int(STARTED_AT.timestamp()) * 1_000_000
EXPIRES_US = STARTED_US + 300_000_000


@dataclass
class Record:
    """A consumed record, as far as a watch looks at it."""

    message_headers: Any
    body: bytes
    at: tuple[str, int, int]

    def headers(self) -> Any:
        return self.message_headers

    def value(self) -> bytes:
        return self.body

    def topic(self) -> str:
        return self.at[0]

    def partition(self) -> int:
        return self.at[1]

    def offset(self) -> int:
        return self.at[2]


def record(
    body: bytes = b'{"n":1}',
    *,
    after_us: int = 1,
    at: tuple[str, int, int] = ("received", 0, 0),
    facts: dict[str, Any] | None = None,
    **members: Any,
) -> Record:
    """A record of the captured webhook, received so long after the capture began."""
    at_us = STARTED_US + after_us
    shown = RequestFacts(method="POST", path="/", source_ip="10.0.0.1", **(facts or {}))
    values: dict[str, Any] = {
        "delivery_id": uuid7_text(at_us),
        "tenant_id": str(CAPTURE.tenant_id),
        "webhook_id": str(CAPTURE.webhook_id),
        "config_version": 1,
        "received_at_us": at_us,
        "request": shown.model_dump_json().encode(),
    }
    return Record(record_headers.encode(DeliveryHeaders(**(values | members))), body, at)


def watching(*records: Record) -> CaptureWatch:
    watch = CaptureWatch()
    watch.update([CAPTURE])
    for one in records:
        watch.offer(one)
    return watch


def sample_of(*records: Record) -> Sample | None:
    """What the capture would end with, before its time is over."""
    found = [due.sample for due in watching(*records).due(STARTED_US)]
    return found[0] if found else None


def text_of(*records: Record) -> str | None:
    sample = sample_of(*records)
    return None if sample is None else sample.json_text


def test_the_body_is_kept_as_it_was_written() -> None:
    assert text_of(record(b'{"b": 1.10, "a": 12345678901234567890123, "a": "\\u0000"}')) == (
        '{"b": 1.10, "a": 12345678901234567890123, "a": "\\u0000"}'
    )


def test_the_earliest_received_wins_whatever_partition_is_read_first() -> None:
    late, early = record(b"2", after_us=900, at=("a", 0, 0)), record(b"1", after_us=800, at=("b", 3, 77))
    assert text_of(late, early) == text_of(early, late) == "1"


def test_of_those_received_at_once_the_lower_place_wins() -> None:
    first, second = record(b"1", at=("a", 0, 5)), record(b"2", at=("a", 0, 6))
    assert text_of(second, first) == text_of(first, second) == "1"


@pytest.mark.parametrize(
    "ignored",
    [
        record(is_test=True),
        record(replay=Replay("r", "d", "redrive", 1)),
        record(webhook_id=str(uuid4())),
        record(tenant_id=str(uuid4())),
        record(after_us=-1),
        record(after_us=300_000_000),
        record(facts={"invalid_json": True}),
        record(b"{"),
        record(b" \r\n"),
        Record([("hookline-delivery-id", b"x")], b"{}", ("a", 0, 0)),
        record(request=b"no JSON"),
    ],
    ids=[
        *("test", "replay", "other webhook", "other tenant", "before", "after", "invalid"),
        *("not JSON", "empty", "no headers", "no facts"),
    ],
)
def test_what_is_no_sample_is_passed_over(ignored: Record) -> None:
    assert sample_of(ignored) is None
    assert text_of(ignored, record(b"7", after_us=2)) == "7"


def test_the_first_moment_counts_and_the_last_does_not() -> None:
    assert text_of(record(b"1", after_us=0)) == "1"
    assert text_of(record(b"1", after_us=299_999_999)) == "1"


def test_a_form_is_kept_as_the_object_that_mappings_read() -> None:
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert text_of(record(b"kind=alert&tag=a&tag=b", facts=form)) == '{"kind":"alert","tag":["a","b"]}'


def test_a_byte_order_mark_is_left_out() -> None:
    assert text_of(record(b"\xef\xbb\xbf[1]")) == "[1]"


def test_a_body_that_is_too_large_ends_the_capture_with_the_reason() -> None:
    largest = b'"' + b"x" * (SAMPLE_BYTES_MAX - 2) + b'"'
    assert text_of(record(largest)) == largest.decode()
    refused = sample_of(record(largest + b" "))
    assert refused is not None
    assert refused.json_text is None
    assert refused.refusal == f"the body has {SAMPLE_BYTES_MAX + 1} bytes, a sample at most {SAMPLE_BYTES_MAX}"


def test_a_body_that_a_put_could_not_bring_back_is_no_sample() -> None:
    deepest = b"[" * SAMPLE_DEPTH_MAX + b"]" * SAMPLE_DEPTH_MAX
    assert text_of(record(deepest)) == deepest.decode()
    check_body(b'{"sample_payload":%s}' % deepest, "application/json")
    refused = sample_of(record(b"[%s]" % deepest))
    assert refused is not None
    assert refused.json_text is None
    assert refused.refusal == f"the body is nested deeper than {SAMPLE_DEPTH_MAX} levels"


def test_a_capture_without_a_body_is_due_once_late_records_have_been_written_too() -> None:
    watch = watching()
    last_us = EXPIRES_US + LATE_SECONDS * 1_000_000
    assert list(watch.due(last_us - 1)) == []
    [due] = watch.due(last_us)
    assert (due.capture, due.sample, due.ends) == (CAPTURE, None, None)


def test_a_due_capture_keeps_up_to_where_is_to_be_read_and_may_find_an_earlier_body_there() -> None:
    watch = watching(record(b"2", after_us=900))
    watch.read_until(CAPTURE, {("a", 0): 10})
    watch.offer(record(b"1", after_us=800))
    [due] = watch.due(STARTED_US)
    assert due.ends == {("a", 0): 10}
    assert due.sample is not None
    assert due.sample.json_text == "1"


def test_a_capture_opened_anew_begins_anew() -> None:
    watch = watching(record(b"1"))
    later = CAPTURE._replace(started_at=STARTED_AT + timedelta(seconds=60))
    assert watch.update([CAPTURE]) is None
    assert watch.update([later]) == STARTED_US + 60_000_000
    assert list(watch.due(STARTED_US)) == []


def test_records_are_read_from_the_first_of_the_new_captures_on() -> None:
    watch = watching()
    later = [Capture(UUID(int=n), UUID(int=n), STARTED_AT + timedelta(seconds=n), CAPTURE.expires_at) for n in (9, 5)]
    assert watch.update([CAPTURE, *later]) == STARTED_US + 5_000_000


def test_a_capture_that_has_ended_is_not_looked_at_again() -> None:
    watch = watching(record(b"1"))
    watch.forget(CAPTURE)
    watch.offer(record(b"2"))
    assert list(watch.due(EXPIRES_US * 2)) == []


def test_a_sample_is_masked_as_the_log_is() -> None:
    body = b'{"user":{"password":"letmein","email":"a@example.com"},"n":1}'
    masked = text_of(record(body, facts={"redact_paths": ["$.user.email"], "content_type": "application/json"}))
    assert masked == '{"user":{"password":"***","email":"***"},"n":1}'
    form = record(b"n=1&token=letmein", facts={"content_type": "application/x-www-form-urlencoded"})
    assert text_of(form) == '{"n":"1","token":"***"}'
