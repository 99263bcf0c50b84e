"""A replay maps as its origin did, and is held against what ran in its origin's time."""

import json
from pathlib import Path
from typing import Any

import orjson

from infra.topics import ACTIONS, RECEIVED, RECORDED
from management.replaying.places import FoundRecord, Place
from management.replaying.records import replay_delivery_id, replay_record
from schemas import headers as record_headers
from schemas.headers import RecordPlace
from schemas.records import RequestFacts
from schemas.webhooks import ActionHandler
from tests.support.pipeline import PipelineUnderTest
from tests.support.requests import Request, alert_request, webhook_config

_SECOND = 1_000_000
_T0 = 1_790_000_000 * _SECOND
_DAY = 86_400 * _SECOND
_REPLAY = "01980000-0000-7000-8000-0000000000d1"
_PLACED = (
    "$string($kafka.partition) & ':' & $string($kafka.offset) & ':' & $string($kafka.timestamp) & ' ' & $kafka.topic"
)
_MOMENTS = ActionHandler(
    action="createTicket",
    field_mapping={
        "title": "$now() & ' ' & $string($millis()) & ' ' & $string($random())",
        "description": f"$delivery.id & ' ' & $string($delivery.received_at) & ' ' & {_PLACED}",
        "client_id": "organization.name",
    },
)


def _replayed(origin: Request, offset: int, *, mode: str = "redrive", at_us: int, replay_id: str = _REPLAY) -> Request:
    """A replay of what stands at `offset`, as management publishes it."""
    headers = record_headers.decode(origin.message["headers"])
    facts = RequestFacts.model_validate_json(headers.request)
    key, value, timestamp = (origin.message[name] for name in ("key", "value", "timestamp"))
    found = FoundRecord(Place(RECEIVED, 0, offset), key, value, headers, timestamp, facts)
    origin_id = headers.delivery_id if headers.replay is None else headers.replay.replay_of
    delivery_id = replay_delivery_id(replay_id, origin_id, at_us)
    config = webhook_config(version=1)
    record = replay_record(found, config, replay_id=replay_id, mode=mode, delivery_id=delivery_id, at_us=at_us)
    message: dict[str, Any] = {
        "key": record.key,
        "value": record.value,
        "headers": record_headers.encode(record.headers),
        "timestamp": at_us // 1_000,
    }
    return Request(delivery_id, origin.dedupe_key, message)


def _timed(alert_id: str, at_us: int) -> Request:
    request = alert_request(alert_id, received_at_us=at_us)
    return request._replace(message=request.message | {"timestamp": at_us // 1_000})


async def test_a_replay_reads_its_origins_time_chance_id_and_place_and_so_does_a_replay_of_it(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config(handler_config=_MOMENTS))
    origin = _timed("a-1", _T0)
    replay = _replayed(origin, 0, at_us=_T0 + 3 * _DAY)
    again = _replayed(replay, 1, at_us=_T0 + 5 * _DAY, replay_id="01980000-0000-7000-8000-0000000000d2")
    outputs = await pipeline.receive(origin, replay, again)
    first, *others = (value["fields"] for value in outputs.values(ACTIONS))
    assert first["description"] == f"{origin.delivery_id} {_T0} 0:0:{_T0 // 1_000} {RECEIVED}"
    assert first["title"].startswith("2026-09-21T14:13:20.000Z ")
    assert others == [first, first]
    ids = [value["delivery_id"] for value in outputs.values(ACTIONS)]
    assert ids == [origin.delivery_id, replay.delivery_id, again.delivery_id]


async def test_a_replay_of_an_earlier_release_has_its_origins_id_and_its_own_time_and_place(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config(handler_config=_MOMENTS))
    origin = _timed("a-1", _T0)
    replay = _replayed(origin, 0, at_us=_T0 + _DAY)
    later = {record_headers.REPLAY_RECEIVED_AT, record_headers.REPLAY_PLACE}
    headers = [header for header in replay.message["headers"] if header[0] not in later]
    outputs = await pipeline.receive(replay._replace(message=replay.message | {"headers": headers}))
    [action] = outputs.values(ACTIONS)
    assert action["fields"]["description"] == (
        f"{origin.delivery_id} {_T0 + _DAY} 0:0:{(_T0 + _DAY) // 1_000} {RECEIVED}"
    )


async def test_a_replay_that_fills_gaps_is_a_duplicate_of_what_ran_in_its_origins_window(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config(idempotency_window_seconds=3_600))
    lost, repeated = _timed("a-1", _T0), _timed("a-1", _T0 + 1_800 * _SECOND)
    await pipeline.receive(repeated)
    outputs = await pipeline.receive(_replayed(lost, 7, mode="fill", at_us=_T0 + 3_600 * _SECOND * 30))
    [record] = outputs.values(RECORDED)
    assert (record["dispatch_status"], record["duplicate_of"]) == ("duplicate", repeated.delivery_id)


async def test_replays_of_one_key_are_held_against_each_other_as_their_origins_were(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config(idempotency_window_seconds=3_600))
    times = (_T0, _T0 + 1_800 * _SECOND, _T0 + 3_600 * _SECOND)
    origins = [_timed("a-1", at_us) for at_us in times]
    before = await pipeline.receive(*origins)
    replays = [_replayed(one, offset, at_us=_T0 + 9 * _DAY) for offset, one in enumerate(origins)]
    halves = [await pipeline.receive(replays[0])]
    assert pipeline.sweep() == 1, "what ran live has left its window; the replay's entry is still needed"
    halves.append(await pipeline.receive(*replays[1:]))
    ran = [value["delivery_id"] for value in before.values(ACTIONS)]
    assert ran == [origins[0].delivery_id, origins[2].delivery_id]
    again = [value["delivery_id"] for half in halves for value in half.values(ACTIONS)]
    assert again == [replays[0].delivery_id, replays[2].delivery_id]


async def test_a_replay_that_was_written_twice_asks_twice_for_the_one_action(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config())
    replay = _replayed(_timed("a-1", _T0), 7, at_us=_T0 + _DAY)
    outputs = await pipeline.receive(replay, replay)
    assert [value["delivery_id"] for value in outputs.values(ACTIONS)] == [replay.delivery_id] * 2
    assert outputs.values(RECORDED) == []


def test_the_record_of_a_replay_is_its_origins_but_for_what_names_the_replay() -> None:
    origin = _timed("a-1", _T0)
    replay = _replayed(origin, 7, at_us=_T0 + _DAY)
    was, now = (record_headers.decode(one.message["headers"]) for one in (origin, replay))
    assert (replay.message["key"], replay.message["value"]) == (origin.message["key"], origin.message["value"])
    assert (now.dedupe_key, now.tenant_id, now.webhook_id) == (was.dedupe_key, was.tenant_id, was.webhook_id)
    assert now.replay is not None
    assert now.replay[:4] == (_REPLAY, origin.delivery_id, "redrive", 1)
    assert now.replay[4:] == (_T0, RecordPlace(RECEIVED, 0, 7, _T0 // 1_000))
    facts_then, facts_now = orjson.loads(was.request), json.loads(now.request)
    assert {name for name in facts_now if facts_now[name] != facts_then.get(name)} <= {
        *("ingress_us", "priority", "invalid_json"),
    }
    assert replay.delivery_id == replay_delivery_id(_REPLAY, origin.delivery_id, _T0 + _DAY)
    assert int(replay.delivery_id.replace("-", "")[:12], 16) == (_T0 + _DAY) // 1_000
    assert replay.delivery_id[14] == "7"
