"""Attestations of receivers as rows of `attestations`, one per tenant, hour and partition in each."""

from collections.abc import Sequence

import pyarrow as pa
from pydantic import TypeAdapter

from infra.clock import HOUR_US, MICROSECONDS
from schemas.records import Attestation, AttestedRequests
from sinks.clickhouse.core.rows import (
    ConsumedRecord,
    Rows,
    Source,
    Undecodable,
    UndecodableRecordError,
    check_ids,
    check_integer,
    check_time,
    source_columns,
    texts,
    times,
)

_parse = TypeAdapter(Attestation).validate_json
_DIGEST_LAST = 2**64 - 1
_PARTITION_LAST = 2**31 - 1
_NAMES = ("accepted", "invalid_json", "late", "digest")


def build_attestations(records: Sequence[ConsumedRecord], source: Source) -> list[Rows]:
    """Rows of `attestations`, and of `undecodable_records` for what cannot be read."""
    undecodable = Undecodable(source)
    parsed: list[tuple[int, Attestation, AttestedRequests]] = []
    for record in records:
        try:
            attestation = _checked(record)
        except ValueError as error:
            undecodable.add(record, error)
            continue
        parsed += [(record.offset() or 0, attestation, entry) for entry in attestation.entries]
    built = [_attestations(parsed, source)] if parsed else []
    kept = undecodable.build()
    return [*built, kept] if kept is not None else built


def _checked(record: ConsumedRecord) -> Attestation:
    attestation = _parse(record.value() or b"")
    check_integer("sequence", attestation.sequence)
    check_time("attested_at", attestation.attested_at)
    for entry in attestation.entries:
        check_ids(entry.tenant_id, attestation.instance_id, attestation.instance_id)
        if check_time("hour", entry.hour) % HOUR_US:
            raise UndecodableRecordError("hour is not the start of one")
        check_integer("partition", entry.partition, _PARTITION_LAST)
        for name in _NAMES:
            check_integer(name, getattr(entry, name), _DIGEST_LAST)
        for offset in entry.offsets:
            check_integer("offsets", offset)
        if len(entry.offsets) % 2:
            raise UndecodableRecordError("offsets are not the first and last of each run")
    return attestation


def _attestations(parsed: Sequence[tuple[int, Attestation, AttestedRequests]], source: Source) -> Rows:
    attested_at = [attestation.attested_at for _, attestation, _ in parsed]
    hours = pa.array([entry.hour // MICROSECONDS for _, _, entry in parsed], pa.int64())
    offsets = [offset for offset, _, _ in parsed]
    columns = {
        "tenant_id": texts([entry.tenant_id for _, _, entry in parsed]),
        "hour": hours.cast(pa.timestamp("s", "UTC")),
        "instance_id": texts([attestation.instance_id for _, attestation, _ in parsed]),
        "sequence": pa.array([attestation.sequence for _, attestation, _ in parsed], pa.uint64()),
        "topic": texts([entry.topic for _, _, entry in parsed]),
        "partition": pa.array([entry.partition for _, _, entry in parsed], pa.uint32()),
        **{name: pa.array([getattr(entry, name) for _, _, entry in parsed], pa.uint64()) for name in _NAMES},
        "offsets": pa.array([entry.offsets for _, _, entry in parsed], pa.list_(pa.uint64())),
        "attested_at": times(attested_at),
        **source_columns(source, len(parsed), incarnation="record_incarnation", partition="record_partition"),
        "record_offset": pa.array(offsets, pa.uint64()),
    }
    bounds = min(attested_at), max(attested_at)
    return Rows("attestations", pa.table(columns), (offsets,), "present_attestations", *bounds)
