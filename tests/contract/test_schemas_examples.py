"""Every topic has example records, and every example keeps the contract of its topic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from infra import topics
from infra.topics import load_topics
from infra.webhooks import webhook_key
from processors.core.dedupe import decode_entry
from schemas import headers as record_headers
from schemas import records, webhooks
from schemas.headers import DeliveryHeaders
from schemas.keys import KEY_BYTES, entity_key, request_key
from schemas.records import ActionRequest, DeadLetter, KeyReleased, RejectionRecord, RequestFacts
from schemas.webhooks import WebhookConfig

FOLDER = Path(__file__).parents[2] / "schemas" / "examples"
TOPICS = load_topics()
EXAMPLES = sorted(FOLDER.rglob("*.json"))
REQUEST_TOPICS = {topics.RECEIVED, topics.EXPEDITED, topics.REQUEST_DEAD_LETTERS}
MEMBERS = {"description", "key", "headers", "value"}
BY_EXAMPLE = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")


def load(path: Path) -> tuple[str, bytes, list[tuple[str, bytes]], bytes | None]:
    """(topic, key, headers, value) of an example, as they stand in Kafka."""
    example = json.loads(path.read_text("utf-8"))
    assert set(example) == MEMBERS
    assert example["description"].endswith(".")
    key = _bytes_of(example["key"])
    assert key is not None
    headers = [(name, value.encode()) for name, value in example["headers"].items()]
    return path.parent.name, key, headers, _bytes_of(example["value"])


def _bytes_of(part: dict[str, Any] | None) -> bytes | None:
    """A key or value: `{"text": …}`, `{"hex": …}`, `{"json": …}`, or null for a tombstone."""
    if part is None:
        return None
    ((form, content),) = part.items()
    if form == "json":
        return orjson.dumps(content)
    assert form in {"text", "hex"}
    return bytes.fromhex(content) if form == "hex" else str(content).encode()


def model_of(topic: str) -> type[BaseModel] | None:
    """The model of a topic's values; None for raw bytes."""
    name = TOPICS[topic].schema_name
    return None if name == "bytes" else getattr(records, name, None) or getattr(webhooks, name)


def test_every_topic_has_examples_and_there_are_no_others() -> None:
    assert {path.parent.name for path in EXAMPLES} == set(TOPICS)
    assert all(path.parent.parent == FOLDER for path in EXAMPLES)


@BY_EXAMPLE
def test_the_value_validates_and_spells_out_every_member(path: Path) -> None:
    topic, _, _, value = load(path)
    model = model_of(topic)
    if value is None:
        assert TOPICS[topic].cleanup == "compact", "a tombstone means something in a compacted topic only"
    elif model is not None:
        parsed = model.model_validate_json(value)
        assert json.loads(parsed.model_dump_json()) == json.loads(value)


@BY_EXAMPLE
def test_the_record_fits_its_topic(path: Path) -> None:
    topic, key, headers, value = load(path)
    size = len(key) + len(value or b"") + sum(len(name) + len(content) for name, content in headers)
    assert size <= TOPICS[topic].message_bytes_max


@BY_EXAMPLE
def test_headers_of_ours_are_known_and_kebab_case(path: Path) -> None:
    known = {value for name, value in vars(record_headers).items() if name.isupper() and isinstance(value, str)}
    _, _, headers, _ = load(path)
    assert {name for name, _ in headers} <= known - {record_headers.PREFIX}


@BY_EXAMPLE
def test_a_request_carries_readable_headers_and_the_key_that_follows_from_them(path: Path) -> None:
    topic, key, raw, _ = load(path)
    if topic not in REQUEST_TOPICS or topic == topics.REQUEST_DEAD_LETTERS:
        return
    headers = record_headers.decode(raw)
    facts = RequestFacts.model_validate_json(headers.request)
    without = None if facts.redact_paths else {"redact_paths"}  # written only where there are any
    assert json.loads(facts.model_dump_json(exclude=without)) == json.loads(headers.request)
    source = headers.delivery_id if headers.dedupe_key is None else headers.dedupe_key
    assert key == request_key(headers.tenant_id, headers.webhook_id, source)


@BY_EXAMPLE
def test_a_dead_letter_says_where_it_came_from_and_keeps_the_original(path: Path) -> None:
    topic, _, raw, value = load(path)
    parents = {name for name, declared in TOPICS.items() if declared.dlq == topic}
    if not parents:
        return
    letter = DeadLetter.model_validate_json(dict(raw)[record_headers.DEAD_LETTER])
    assert letter.origin.topic in parents
    parent_model = model_of(letter.origin.topic)
    if parent_model is not None:
        assert parent_model.model_validate_json(value or b"")


@BY_EXAMPLE
def test_the_key_is_the_one_its_topic_declares(path: Path) -> None:
    topic, key, _, value = load(path)
    if topic in {topics.RELEASED, topics.REMEMBERED}:
        assert len(key) == KEY_BYTES
    elif topic == topics.RECORDED:
        assert key == records.DeliveryRecord.model_validate_json(value or b"").delivery_id.encode()
    elif topic in {topics.ACTIONS, topics.EXPEDITED_ACTIONS, topics.ACTION_DEAD_LETTERS}:
        request = ActionRequest.model_validate_json(value or b"")
        external_id = request.fields.get("external_id") or request.delivery_id
        assert key == entity_key(request.tenant_id, request.webhook_id, external_id)
    elif topic == topics.REJECTED:
        assert key == (RejectionRecord.model_validate_json(value or b"").webhook_id or "").encode()
    elif topic == topics.DOMAIN_EVENTS:
        event = records.DomainEvent.model_validate_json(value or b"")
        assert key == f"{event.tenant_id}/{event.entity_id}".encode()
    elif topic == topics.CONFIGURATION and value is not None:
        config = WebhookConfig.model_validate_json(value)
        assert key == webhook_key(config.tenant_id, config.webhook_id).encode()


def test_the_examples_tell_one_story() -> None:
    """The remembered entry, the release and the action are those of the received alert."""
    _, key, raw, _ = load(FOLDER / topics.RECEIVED / "alert.json")
    headers: DeliveryHeaders = record_headers.decode(raw)
    _, remembered, _, entry_value = load(FOLDER / topics.REMEMBERED / "first-request.json")
    entry = decode_entry(entry_value or b"")
    _, released, _, release_value = load(FOLDER / topics.RELEASED / "client-not-found.json")
    action = ActionRequest.model_validate_json(load(FOLDER / topics.ACTIONS / "create-ticket.json")[3] or b"")
    assert key == remembered == released == bytes.fromhex(action.release_key or "")
    assert (entry.delivery_id, entry.received_at_us) == (headers.delivery_id, headers.received_at_us)
    assert (entry.partition, entry.offset) == (action.origin.partition, action.origin.offset)
    assert action.delivery_id == headers.delivery_id
    assert KeyReleased.model_validate_json(release_value or b"").delivery_id == headers.delivery_id


@BY_EXAMPLE
def test_no_example_holds_a_plain_secret(path: Path) -> None:
    text = path.read_text("utf-8").lower()
    assert not any(word in text for word in ("authorization", 'x-signature":', "password", "bearer "))
