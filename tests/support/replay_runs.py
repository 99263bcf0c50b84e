"""Requests as the receiver writes them, replay jobs over them, and what of a job stands in the raw topics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import orjson
from confluent_kafka import Consumer, TopicPartition

from infra.clock import now_us
from infra.ids import uuid7_text
from infra.kafka import Outbox, PolledProducer, consumer_properties
from infra.settings import KafkaSettings
from infra.topics import EXPEDITED, RECEIVED
from schemas import headers as record_headers
from schemas.headers import DeliveryHeaders
from schemas.keys import request_key
from schemas.records import RequestFacts
from tests.support.offsets import ends_of
from tests.support.wait import eventually

Json = dict[str, Any]
Call = Callable[..., httpx.Response]
_ENDED = ("done", "stopped", "failed")
_RAW_TOPICS = (RECEIVED, EXPEDITED)
SOURCE_IP = "203.0.113.9"
_FACTS = RequestFacts(
    method="POST", path="/api/inbound/acme/hook", source_ip=SOURCE_IP, content_type="application/json"
).model_dump_json()
_ACKNOWLEDGED_SECONDS_MAX = 60.0
_READ_SECONDS = 1.0
_ASKED_EVERY_SECONDS = 0.2


class RequestWriter:
    """Writes requests of one tenant to the raw topic, as a receiver that does nothing else."""

    def __init__(self, kafka: KafkaSettings, tenant_id: str) -> None:
        self._producer = PolledProducer(kafka, client_id="test", ack_timeout_seconds=_ACKNOWLEDGED_SECONDS_MAX)
        self._tenant_id = tenant_id

    def write(self, requests: Iterable[tuple[str, str, Json]]) -> list[str]:
        """New requests, each of a webhook, with the key that orders it and a body (whose `event` finds duplicates).

        Their ids.
        """
        outbox, delivery_ids = Outbox(self._producer), []
        for webhook_id, key, body in requests:
            at_us = now_us()
            delivery_id = uuid7_text(at_us)
            headers = DeliveryHeaders(
                delivery_id, self._tenant_id, webhook_id, 1, at_us, _FACTS.encode(), body.get("event")
            )
            outbox.send(
                RECEIVED,
                key=request_key(self._tenant_id, webhook_id, key),
                value=orjson.dumps(body),
                headers=record_headers.encode(headers),
                timestamp=at_us // 1_000,
            )
            delivery_ids.append(delivery_id)
        outbox.wait(_ACKNOWLEDGED_SECONDS_MAX)
        return delivery_ids

    def close(self) -> None:
        """Let the connection go."""
        self._producer.close(5)


def calmly(predicate: Callable[[], bool]) -> Callable[[], bool]:
    """The same, asked less often: an answer of the log takes this machine's time from what is waited for."""

    def asked() -> bool:
        time.sleep(_ASKED_EVERY_SECONDS)
        return predicate()

    return asked


def start_job(call: Call, selection: Json, **members: Any) -> str:
    """The id of a new job; it runs each origin again unless `members` say otherwise."""
    body = {"selection": selection, "mode": "redrive", "reason": "to see that it is exact", **members}
    answer = call("POST", "/replays", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def view_job(call: Call, replay_id: str) -> Json:
    """As the API shows it."""
    answer = call("GET", f"/replays/{replay_id}")
    assert answer.status_code == 200, answer.text
    shown: Json = answer.json()
    return shown


def await_ended(call: Call, replay_id: str, *, timeout_seconds: float) -> Json:
    """The job once nothing more is published."""
    found: list[Json] = []

    def ended() -> bool:
        found[:] = [view_job(call, replay_id)]
        return found[0]["state"] in _ENDED

    eventually(calmly(ended), timeout_seconds=timeout_seconds, what=f"replay {replay_id} to end")
    return found[0]


def replays_in_topics(kafka: KafkaSettings, begins: Iterable[TopicPartition]) -> Counter[tuple[str, str]]:
    """How many records of each replay and origin stand in the raw topics, from `begins` on."""
    consumer = Consumer(consumer_properties(kafka, "test-replays", "test-replays") | {"enable.partition.eof": True})
    try:
        remaining = {(begin.topic, begin.partition) for begin in begins}
        consumer.assign(list(begins))
        found: Counter[tuple[str, str]] = Counter()
        while remaining:
            for message in consumer.consume(10_000, _READ_SECONDS):
                if message.error() is not None:
                    remaining.discard((message.topic(), message.partition()))
                    continue
                replay = record_headers.decode(message.headers()).replay
                if replay is not None:
                    found[replay.replay_id, replay.replay_of] += 1
        return found
    finally:
        consumer.close()


def ends_of_raw_topics(kafka: KafkaSettings) -> list[TopicPartition]:
    """Where the next records will stand."""
    consumer = Consumer(consumer_properties(kafka, "test-ends", "test-ends"))
    try:
        return [one for partitions in ends_of(consumer, _RAW_TOPICS).values() for one in partitions]
    finally:
        consumer.close()


def exported(call: Call, **filters: str) -> list[Json]:
    """The log's rows, each delivery as often as an export has it."""
    answer = call("GET", "/deliveries/export", params={"format": "jsonl", "bodies": "none", **filters})
    assert answer.status_code == 200, answer.text
    return [orjson.loads(line) for line in answer.text.splitlines()]


def logged_replays(call: Call, replay_id: str) -> list[Json]:
    """The log's rows of a replay."""
    return [row for row in exported(call, is_replay="true") if row["replay_id"] == replay_id]
