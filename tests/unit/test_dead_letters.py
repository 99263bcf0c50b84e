"""Whose a letter is, what is shown of one, and what an action's letter becomes."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from infra.clock import now_us
from infra.ids import uuid7_text
from infra.topics import ACTION_DEAD_LETTERS, ACTIONS, REQUEST_DEAD_LETTERS
from management.dead_letters.commands import Renewal, command_id_of, redriven_command
from management.dead_letters.letters import NOBODY, Letter, parse_letter, parse_place
from management.errors import ConflictError
from management.replaying.places import Place
from schemas import headers as record_headers
from schemas.encoding import record_bytes
from schemas.keys import entity_key
from schemas.records import ActionRequest
from sinks.actions.command import parse_command
from tests.support.actions import builtin_registry
from tests.support.dead_letters import action_letter, request_letter

TENANT, WEBHOOK = str(uuid4()), str(uuid4())


def parsed(message: tuple[str, Any]) -> Letter:
    topic, members = message
    place = Place(topic, 1, 2)
    return parse_letter(place, members["key"], members["value"], members["headers"], timestamp_ms=5)


def command(**members: Any) -> dict[str, Any]:
    origin = {"topic": "webhooks.request.received.v1", "partition": 0, "offset": 1, "incarnation": "i"}
    return {
        "delivery_id": uuid7_text(now_us()),
        "tenant_id": TENANT,
        "webhook_id": WEBHOOK,
        "webhook_slug": "w",
        "config_version": 3,
        "received_at": 1,
        "action": "createTicket",
        "fields": {"title": "t", "external_id": "e-1", "number": 2**70},
        "origin": origin,
        **members,
    }


def test_an_id_names_a_place_in_a_dead_letter_topic_and_nothing_else() -> None:
    assert parse_place(f"{ACTION_DEAD_LETTERS}:3:17") == Place(ACTION_DEAD_LETTERS, 3, 17)
    for text in ("", f"{ACTIONS}:3:17", f"{ACTION_DEAD_LETTERS}:3", f"{ACTION_DEAD_LETTERS}:3:-1", str(uuid4())):
        assert parse_place(text) is None


def test_a_request_is_its_tenants_only_when_all_its_headers_decode() -> None:
    letter = parsed(request_letter(TENANT, WEBHOOK))
    assert letter.owner[:2] == (UUID(TENANT), UUID(WEBHOOK))
    assert record_headers.DEAD_LETTER not in dict(letter.headers)
    for name in (record_headers.CONFIG_VERSION, record_headers.DELIVERY_ID, record_headers.WEBHOOK_ID):
        _, members = request_letter(TENANT, WEBHOOK)
        headers = [(key, b"\xff" if key == name else value) for key, value in members["headers"]]
        assert parsed((REQUEST_DEAD_LETTERS, members | {"headers": headers})).owner == NOBODY, name


def test_what_does_not_say_what_went_wrong_is_nobodys() -> None:
    _, members = request_letter(TENANT, WEBHOOK)
    for told in (None, b"{}", b"not JSON"):
        headers = [one for one in members["headers"] if one[0] != record_headers.DEAD_LETTER]
        headers += [] if told is None else [(record_headers.DEAD_LETTER, told)]
        letter = parsed((REQUEST_DEAD_LETTERS, members | {"headers": headers}))
        assert (letter.owner, letter.failure, letter.failed_at_us) == (NOBODY, None, 5_000)


def test_an_action_is_its_headers_tenants_unless_its_command_names_another() -> None:
    assert parsed(action_letter(command())).owner[:2] == (UUID(TENANT), UUID(WEBHOOK))
    _, members = action_letter(command())
    assert parsed((ACTION_DEAD_LETTERS, members | {"value": b"{not json"})).owner.tenant_id == UUID(TENANT)
    for named in (str(uuid4()), 7, None):
        forged = members | {"value": record_bytes(command(tenant_id=named))}
        assert parsed((ACTION_DEAD_LETTERS, forged)).owner == NOBODY
    other = members | {"value": record_bytes(command(delivery_id=str(uuid4())))}
    assert parsed((ACTION_DEAD_LETTERS, other)).owner == NOBODY


def test_the_same_command_again_keeps_its_id_its_key_and_every_digit() -> None:
    given = command()
    _, members = action_letter(given)
    value = record_bytes(given | {"fields": {}}).replace(b'"fields":{}', b'"fields":{"title":"t","number":%d}' % 2**70)
    letter = parsed((ACTION_DEAD_LETTERS, members | {"value": value}))
    again = redriven_command(letter, None, None)
    assert (again.topic, again.key) == (ACTIONS, members["key"])
    assert ActionRequest.model_validate_json(again.value).fields["number"] == 2**70
    assert parse_command(again.value, again.headers, builtin_registry()).command_id == command_id_of(letter)


def test_a_command_of_a_delivery_that_has_ended_is_another_one_that_says_of_what_it_is_a_replay() -> None:
    given = command(release_key="00" * 16, fields={"title": "t", "external_id": "e-1"})
    topic, members = action_letter(given)
    letter = parsed((topic, members | {"key": entity_key(TENANT, WEBHOOK, "e-1")}))
    renewal = Renewal(uuid4(), UUID(uuid7_text(now_us())), now_us())
    again = redriven_command(letter, {"title": "t", "external_id": "e-2"}, renewal)
    request = ActionRequest.model_validate_json(again.value)
    assert (request.replayed_from, request.replay_id) == (given["delivery_id"], str(renewal.replay_id))
    assert (request.delivery_id, request.release_key) == (str(renewal.delivery_id), None)
    assert (request.tenant_id, request.webhook_id, request.action) == (TENANT, WEBHOOK, "createTicket")
    assert dict(again.headers)[record_headers.DELIVERY_ID] == request.delivery_id.encode()
    assert again.key == entity_key(TENANT, WEBHOOK, "e-2"), "what is to keep its order is the external id"
    assert parse_command(again.value, again.headers, builtin_registry()).command_id != command_id_of(letter)


@pytest.mark.parametrize("members", [{"hops": "many"}, {"priority": 9}, {"surprise": 1}])
def test_a_command_that_cannot_be_read_is_not_published_again(members: dict[str, Any]) -> None:
    with pytest.raises(ConflictError, match=next(iter(members))):
        redriven_command(parsed(action_letter(command(**members))), None, None)
