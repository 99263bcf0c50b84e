"""What a receiver attests, from acknowledgement to row: nothing counted twice, nothing forgotten."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.clock import HOUR_US
from infra.ids import uuid7_text
from infra.topics import ACCEPTED, RECEIVED
from ingress.attestations import AttestationLog
from ingress.core.attested import Account, AttestedTally, split
from schemas.records import Attestation
from sinks.clickhouse.core.attestations import build_attestations
from sinks.clickhouse.core.rows import Source
from tests.support.analytics import TENANT, MadeRecord

AT_US = 1_750_849_543_488_000
HOUR = AT_US // HOUR_US
SOURCE = Source(ACCEPTED, "of-a-test", 0)


@dataclass
class Request:
    """An acknowledged request."""

    account: Account = (TENANT, HOUR, RECEIVED)
    answered: bool = False
    delivery_id: bytes = b"0197a1c2-5000-7abc-8def-0000000000ff"
    invalid_json: bool = False


def test_runs_of_offsets_are_kept_by_their_ends_and_what_has_no_place_is_counted() -> None:
    tally = AttestedTally()
    for offset in (7, 8, 9, 12, 13, -1001):
        tally.note(Request(), 0, offset)
    tally.note(Request(invalid_json=True), 0, 14)
    tally.note(Request(answered=True, invalid_json=True), 0, 20)
    [entry] = tally.take()
    assert entry["offsets"] == [7, 9, 12, 14, 20, 20]
    assert (entry["accepted"], entry["invalid_json"], entry["late"]) == (6, 1, 1)
    assert (entry["hour"], entry["digest"]) == (HOUR * HOUR_US, 8 * 0xFF)
    assert list(tally.take()) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=60))
def test_every_acknowledgement_is_in_exactly_one_entry(acknowledged: list[tuple[int, int]]) -> None:
    tally, ends, wanted = AttestedTally(), Counter[int](), Counter[tuple[str, int]]()
    for tenant, partition in acknowledged:
        tally.note(Request((f"t{tenant}", HOUR, RECEIVED)), partition, ends[partition])
        ends[partition] += 1
        wanted[f"t{tenant}", partition] += 1
    found: Counter[tuple[str, int]] = Counter()
    places: list[tuple[int, int]] = []
    for entry in tally.take():
        runs = list(zip(entry["offsets"][::2], entry["offsets"][1::2], strict=True))
        own = [offset for first, last in runs for offset in range(first, last + 1)]
        found[entry["tenant_id"], entry["partition"]] += len(own)
        places += [(entry["partition"], offset) for offset in own]
    assert found == wanted
    assert sorted(places) == sorted({(partition, offset) for partition, end in ends.items() for offset in range(end)})


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 5), st.integers(1, 12))
def test_parts_hold_every_entry_in_order_and_keep_their_bounds(
    sizes: list[int], entries_max: int, offsets_max: int
) -> None:
    entries = [{"offsets": [0] * size, "number": number} for number, size in enumerate(sizes)]
    parts = list(split(iter(entries), entries_max=entries_max, offsets_max=offsets_max))
    assert [entry for part in parts for entry in part] == entries
    for part in parts:
        assert 0 < len(part) <= entries_max
        assert len(part) == 1 or sum(len(entry["offsets"]) for entry in part) <= offsets_max


def test_what_the_broker_did_not_take_is_published_again_as_it_was() -> None:
    bridge = Mock()
    bridge.attested = AttestedTally()
    log = AttestationLog(bridge)
    bridge.attested.note(Request(), 0, 5)
    bridge.send_unawaited.return_value = False
    log.publish(AT_US)
    bridge.send_unawaited.return_value = True
    log.publish(AT_US + 1_000_000)
    (topic, key, refused, _), (_, _, sent, told) = [call.args for call in bridge.send_unawaited.call_args_list]
    assert refused == sent
    told(False)
    log.publish(AT_US + 2_000_000)
    *_, again, told = bridge.send_unawaited.call_args.args
    assert again == sent
    told(True)
    log.publish(AT_US + 3_000_000)
    assert bridge.send_unawaited.call_count == 3
    attestation = Attestation.model_validate_json(sent)
    assert (topic, key) == (ACCEPTED, attestation.instance_id.encode())
    assert json.loads(attestation.model_dump_json()) == json.loads(sent)
    assert attestation.entries[0].offsets == [5, 5]


def attestation(**members: object) -> MadeRecord:
    entry = {"tenant_id": TENANT, "hour": HOUR * HOUR_US, "topic": RECEIVED, "partition": 1, "accepted": 2}
    entry |= {"invalid_json": 0, "late": 0, "digest": 2**64 - 1, "offsets": [4, 5], **members}
    value = {"instance_id": uuid7_text(AT_US), "sequence": 1, "attested_at": AT_US, "entries": [entry, entry]}
    return MadeRecord(b"", json.dumps(value).encode())


def test_each_entry_is_a_row_that_is_found_by_its_records_offset() -> None:
    record = attestation()
    [rows] = build_attestations([record], SOURCE)
    assert rows.table == "attestations"
    assert rows.offsets == ([record.offset()] * 2,)
    [row, _] = rows.columns.to_pylist()
    assert (row["digest"], row["offsets"], row["partition"]) == (2**64 - 1, [4, 5], 1)
    assert row["hour"].timestamp() * 1_000_000 == HOUR * HOUR_US


@pytest.mark.parametrize(
    "members",
    [{"tenant_id": "nobody"}, {"hour": HOUR * HOUR_US + 1}, {"offsets": [1]}, {"accepted": -1}, {"digest": 2**64}],
    ids=str,
)
def test_an_attestation_that_cannot_be_is_kept_as_it_came(members: dict[str, object]) -> None:
    [rows] = build_attestations([attestation(**members)], SOURCE)
    assert rows.table == "undecodable_records"
