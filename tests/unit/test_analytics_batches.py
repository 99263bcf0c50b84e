"""Batches are bounded, come in offset order, and a planned range comes out exactly again."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.core.batches import Limits, PartitionBuffer, Plan, decode_plan, may_consume, next_due

LIMITS = Limits(records_max=10, bytes_max=1_000, wait_us=1_000_000)


def filled(offsets: list[int], *, size_bytes: int = 1, incarnation: str | None = "abc") -> PartitionBuffer[int]:
    buffer: PartitionBuffer[int] = PartitionBuffer("t", 0, incarnation=incarnation)
    for offset in offsets:
        buffer.add(offset, offset=offset, size_bytes=size_bytes, now_us=0)
    return buffer


def test_a_plan_survives_the_metadata_of_an_offset() -> None:
    assert decode_plan(5, Plan(5, 17).encode("3Q/x_-+="), incarnation="3Q/x_-+=") == Plan(5, 17)


def test_metadata_that_is_no_plan_of_this_topic_is_no_plan() -> None:
    for metadata in (None, "", "hello", "1 abc", "1 abc x", "2 abc 7", "1 other 7", "1 abc 7 8", "1 abc -7"):
        assert decode_plan(5, metadata, incarnation="abc") is None


def test_a_batch_is_due_by_count_by_bytes_or_by_time() -> None:
    assert not filled([1, 2]).due(999_999, LIMITS)
    assert filled([1, 2]).due(1_000_000, LIMITS)
    assert filled(list(range(10))).due(0, LIMITS)
    assert filled([1, 2], size_bytes=500).due(0, LIMITS)
    assert not filled([], size_bytes=500).due(9_999_999, LIMITS)


def test_nothing_is_given_out_before_the_committed_plan_is_known() -> None:
    assert not filled(list(range(10)), incarnation=None).due(9_999_999, LIMITS)
    assert next_due([filled(list(range(50)), incarnation=None)], 9_999_999, LIMITS) is None


def test_a_planned_batch_waits_for_its_last_record_and_takes_no_more() -> None:
    buffer = filled([4, 5, 7])
    buffer.plan = Plan(4, 8)
    assert not buffer.due(9_999_999, LIMITS)
    buffer.add(8, offset=8, size_bytes=1, now_us=0)
    buffer.add(9, offset=9, size_bytes=1, now_us=0)
    assert buffer.due(0, LIMITS)
    batch = buffer.take(0, LIMITS)
    assert batch is not None
    assert (list(batch.records), batch.first_offset, batch.last_offset, batch.planned) == ([4, 5, 7, 8], 4, 8, True)
    assert len(buffer) == 1
    assert buffer.plan is None


def test_a_planned_range_keeps_its_name_when_its_head_is_gone_and_is_void_when_all_is_gone() -> None:
    buffer = filled([6, 9])
    buffer.plan = Plan(4, 8)
    batch = buffer.take(0, LIMITS)
    assert batch is not None
    assert (list(batch.records), batch.first_offset, batch.last_offset) == ([6], 4, 8)
    gone = filled([12])
    gone.plan = Plan(4, 8)
    assert gone.due(0, LIMITS)
    assert gone.take(0, LIMITS) is None
    assert gone.plan is None


def test_a_plan_larger_than_all_bounds_is_still_consumed_to_its_end() -> None:
    buffer = filled(list(range(40)))
    buffer.plan = Plan(0, 60)
    assert next_due([buffer], 9_999_999, LIMITS) is None
    assert may_consume([buffer], LIMITS)
    assert not may_consume([filled(list(range(10)))], LIMITS)


def test_when_all_partitions_together_hold_too_much_the_fullest_is_given_out() -> None:
    small, large = filled(list(range(4))), filled(list(range(7)))
    assert next_due([small, large], 0, LIMITS) is large
    assert next_due([small], 0, LIMITS) is None


def test_an_offset_seen_before_is_noticed_also_after_the_buffer_was_emptied() -> None:
    buffer = filled([3, 4])
    buffer.take(0, LIMITS)
    assert buffer.goes_back(4)
    assert not buffer.goes_back(5)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60), st.lists(st.integers(1, 400), min_size=60, max_size=60))
def test_batches_together_are_the_records_in_order_and_within_bounds(gaps: list[int], sizes: list[int]) -> None:
    offsets = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    buffer: PartitionBuffer[int] = PartitionBuffer("t", 0, incarnation="abc")
    for offset, size in zip(offsets, sizes, strict=False):
        buffer.add(offset, offset=offset, size_bytes=size, now_us=0)
    taken: list[int] = []
    while len(buffer):
        batch = buffer.take(0, LIMITS)
        assert batch is not None
        assert len(batch.records) <= LIMITS.records_max
        assert (batch.first_offset, batch.last_offset) == (batch.records[0], batch.records[-1])
        taken += batch.records
    assert taken == offsets
    assert buffer.held_bytes == 0
