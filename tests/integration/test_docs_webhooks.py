"""docs/webhooks.md does what it says: its bodies are sent in order, to the webhook that is made first."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support.management import ManagementBase, management_base
from tests.support.webhooks import add_ticket_entities, get_webhook

__all__ = ["management_base"]

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
CALL = re.compile(
    r"`(?P<method>[A-Z]+) /api/v1(?P<path>\S+)` → (?P<status>\d{3})\n\n```json\n(?P<body>.*?)```"
    r"(?:\n\nanswers\n\n```json\n(?P<answer>.*?)```)?",
    re.DOTALL,
)


def test_every_body_of_the_page_is_answered_as_the_page_says(management_base: ManagementBase) -> None:
    add_ticket_entities(management_base, management_base.tenant.id)
    page = PAGE.read_text("utf-8")
    calls = list(CALL.finditer(page))
    assert len(calls) == page.count("```json") - 1 == 7  # one block is an answer
    webhook_id = ""
    for call in calls:
        path = call["path"].replace("{id}", webhook_id)
        answer = management_base.call(call["method"], path, json=json.loads(call["body"]))
        assert answer.status_code == int(call["status"]), (call["body"], answer.text)
        if call["answer"] is not None:
            assert answer.json() == json.loads(call["answer"])
        if answer.status_code == 201 and not webhook_id:
            webhook_id = answer.json()["id"]
    shown = get_webhook(management_base, webhook_id)
    assert (shown["name"], shown["priority"], shown["filters"]) == ("RMM alerts, urgent", 3, None)
    assert shown["auth_config"]["signature_header"] == "X-RMM-Signature"
    assert shown["auth_config"]["ip_cidrs"] == ["192.0.2.0/24"]
    assert shown["handler_config"]["on_existing"] == "ignore"
    assert set(shown["handler_config"]["field_mapping"]) == {"external_id", "title", "client_id", "description"}
    assert shown["previous_secret_valid_until"] is not None
    assert shown["version"] == 4
