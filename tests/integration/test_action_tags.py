"""addTagToEntityByExternalId: one tag per text, one link per entity, told once."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from sinks.actions.execution import Outcome
from tests.support.actions import ActionBase, add, add_mapping, add_tenant, refusal_of, request_of, take_events

ADD_TAG = "addTagToEntityByExternalId"
INVALID, MISS = "VALIDATION_ERROR", "LOOKUP_MISS"


@pytest.fixture
def base(action_base: ActionBase) -> ActionBase:
    take_events(action_base)
    return action_base


def request(base: ActionBase, external_id: str, fields: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    return request_of(base, ADD_TAG, {"entity_type": "client", "external_id": external_id} | dict(fields), **members)


def tag(base: ActionBase, external_id: str, text: str, fields: Mapping[str, Any] | None = None) -> Outcome:
    (outcome,) = base.run(request(base, external_id, {"tag_text": text} | dict(fields or {})))
    return outcome


def add_client(base: ActionBase, external_id: str) -> UUID:
    client = add(base, "clients", name=f"Client {external_id}")
    add_mapping(base, "client", external_id, client)
    return client


def tags_of(base: ActionBase, entity_id: UUID) -> list[dict[str, Any]]:
    return base.rows(
        "SELECT t.* FROM tags t JOIN entity_tags l ON l.tenant_id = t.tenant_id AND l.tag_id = t.id "
        "WHERE l.entity_id = %s ORDER BY t.tag_text",
        [entity_id],
    )


def test_a_tag_twice_is_one_tag_one_link_and_one_event(base: ActionBase) -> None:
    client = add_client(base, "twice")
    first, second = tag(base, "twice", " critical "), tag(base, "twice", "CRITICAL")
    (row,) = tags_of(base, client)
    assert (row["tag_text"], row["background_color"], row["text_color"], row["created_by"]) == (
        "critical",
        None,
        None,
        None,
    )
    assert [one.body["changed"] for one in (first, second)] == [True, False]
    assert [one.body["metadata"] for one in (first, second)] == [
        {"tag_id": str(row["id"]), "tag_created": True},
        {"tag_id": str(row["id"]), "tag_created": False},
    ]
    assert (first.body["entity_type"], first.body["entity_id"], first.body["created"]) == ("client", str(client), False)
    (event,) = take_events(base)
    assert (event["type"], event["entity_type"], event["entity_id"]) == ("entity.tagged", "client", str(client))
    assert (event["data"]["entity_id"], event["data"]["tag"]["tag_text"]) == (str(client), "critical")


def test_a_new_tag_has_its_colours_and_its_maker_and_keeps_them(base: ActionBase) -> None:
    client = add_client(base, "coloured")
    fields = {"background_color": "#FF8800", "text_color": "#00ff00", "created_by": "technician"}
    tag(base, "coloured", "vip", fields)
    add_client(base, "coloured-2")
    tag(base, "coloured-2", "VIP", {"background_color": "#000000", "created_by": "admin"})
    (row,) = tags_of(base, client)
    assert (row["background_color"], row["text_color"]) == ("#FF8800", "#00ff00")
    assert row["created_by"] == base.tenant.ids["technician"]
    (shared,) = base.rows("SELECT count(*) AS links FROM entity_tags WHERE tag_id = %s", [row["id"]])
    assert shared["links"] == 2


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"tag_text": "x" * 51}, "tag_text"),
        ({"tag_text": " "}, "tag_text"),
        ({"tag_text": ...}, "tag_text"),
        ({"entity_type": "invoice"}, "entity_type"),
        ({"entity_type": None}, "entity_type"),
        ({"external_id": ...}, "external_id"),
        ({"background_color": "red"}, "background_color"),
        ({"background_color": "#ff88"}, "background_color"),
        ({"text_color": "#gg0000"}, "text_color"),
        ({"text_color": "#ff88000"}, "text_color"),
        ({"created_by": "nobody"}, "created_by"),
    ],
)
def test_a_value_that_does_not_fit_names_its_field_and_writes_nothing(
    base: ActionBase, fields: dict[str, Any], path: str
) -> None:
    if not base.rows("SELECT 1 AS one FROM external_entity_mappings WHERE external_id = 'valid'"):
        add_client(base, "valid")
    before = (base.count("tags"), base.count("entity_tags"))
    (outcome,) = base.run(request(base, "valid", {"tag_text": "unmade"} | fields))
    assert refusal_of(outcome) == (INVALID, f"field_mapping.{path}")
    assert ((base.count("tags"), base.count("entity_tags")), take_events(base)) == (before, [])


def test_fifty_characters_are_a_tag(base: ActionBase) -> None:
    client = add_client(base, "long")
    tag(base, "long", "ä" * 50)
    assert [row["tag_text"] for row in tags_of(base, client)] == ["ä" * 50]


def test_every_kind_of_entity_can_be_tagged_by_an_id_of_its_own_kind(base: ActionBase) -> None:
    ids = base.tenant.ids
    task = add(
        base,
        "project_tasks",
        project_id=ids["project"],
        phase_id=ids["planning"],
        status_id=ids["to_do"],
        status_scope_id=UUID(int=0),
        is_closed=False,
        task_name="Order",
    )
    base.run(base.request({"external_id": "kind"}))
    entities = {name: ids[name] for name in ("client", "contact", "asset", "project")} | {"project_task": task}
    for entity_type, entity_id in entities.items():
        add_mapping(base, entity_type, "kind", entity_id)
    (ticket,) = base.rows("SELECT entity_id FROM external_entity_mappings WHERE entity_type = 'ticket'")
    take_events(base)
    outcomes = [tag(base, "kind", "kinds", {"entity_type": entity_type}) for entity_type in (*entities, "ticket")]
    expected = entities | {"ticket": ticket["entity_id"]}
    assert {outcome.body["entity_type"]: UUID(outcome.body["entity_id"]) for outcome in outcomes} == expected
    assert {event["entity_type"]: UUID(event["entity_id"]) for event in take_events(base)} == expected


def test_an_unmapped_id_and_one_of_another_kind_or_namespace_are_misses(base: ActionBase) -> None:
    add_client(base, "here")
    other = uuid4()
    base.register(other)
    outcomes = base.run(
        request(base, "nowhere", {"tag_text": "missed"}),
        request(base, "here", {"tag_text": "missed", "entity_type": "ticket"}),
        request(base, "here", {"tag_text": "missed"}, webhook_id=str(other)),
    )
    assert {refusal_of(outcome) for outcome in outcomes} == {(MISS, "field_mapping.external_id")}
    assert base.rows("SELECT 1 AS one FROM tags WHERE tag_text = 'missed'") == []


def test_an_id_is_read_without_a_realm(base: ActionBase) -> None:
    plain, first, second = (add(base, "clients", name=f"Realm {number}") for number in range(3))
    add_mapping(base, "client", "realms", first, "r-1")
    assert UUID(tag(base, "realms", "one").body["entity_id"]) == first
    add_mapping(base, "client", "realms", second, "r-2")
    assert refusal_of(tag(base, "realms", "two")) == (INVALID, "field_mapping.external_id")
    add_mapping(base, "client", "realms", plain)
    assert UUID(tag(base, "realms", "three").body["entity_id"]) == plain


def test_tags_and_users_of_another_tenant_are_not_there(base: ActionBase) -> None:
    tenant_id = add_tenant(base)
    foreign = add(base, "tags", tenant_id=tenant_id, tag_text="foreign", background_color="#111111")
    user = add(base, "users", tenant_id=tenant_id, email="f@other.example", username="f", full_name="F")
    client = add_client(base, "apart")
    tag(base, "apart", "foreign")
    (row,) = tags_of(base, client)
    assert (row["id"] != foreign, row["background_color"]) == (True, None)
    assert refusal_of(tag(base, "apart", "x", {"created_by": str(user)})) == (INVALID, "field_mapping.created_by")


def test_a_set_makes_each_tag_once_as_the_first_of_it_says(base: ActionBase) -> None:
    clients = [add_client(base, f"set-{number}") for number in range(4)]
    texts = ["Red", "blue", "RED", "Blue"]
    colours = ["#ff0000", "#0000ff", "#000000", None]
    outcomes = base.run(
        *(
            request(base, f"set-{number}", {"tag_text": text, "background_color": colour})
            for number, (text, colour) in enumerate(zip(texts, colours, strict=True))
        ),
        request(base, "set-none", {"tag_text": "unmade"}),
    )
    assert [outcome.status for outcome in outcomes] == ["dispatched"] * 4 + ["failed"]
    assert [outcome.body["metadata"]["tag_created"] for outcome in outcomes[:4]] == [True, True, False, False]
    rows = [row for client in clients for row in tags_of(base, client)]
    assert [(row["tag_text"], row["background_color"]) for row in rows] == [
        ("Red", "#ff0000"),
        ("blue", "#0000ff"),
        ("Red", "#ff0000"),
        ("blue", "#0000ff"),
    ]
    assert base.rows("SELECT 1 AS one FROM tags WHERE tag_text = 'unmade'") == []


def test_two_ids_of_one_entity_in_a_set_make_one_link(base: ActionBase) -> None:
    client, other = add_client(base, "mine"), uuid4()
    base.register(other)
    base.write(
        "INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id) "
        "VALUES (%s, %s, %s, 'client', 'theirs', %s)",
        [base.tenant.tenant_id, uuid4(), other, client],
    )
    outcomes = base.run(
        request(base, "mine", {"tag_text": "shared"}),
        request(base, "theirs", {"tag_text": "Shared"}, webhook_id=str(other)),
    )
    assert [outcome.body["changed"] for outcome in outcomes] == [True, False]
    assert len(tags_of(base, client)) == len(take_events(base)) == 1


def test_parallel_sets_of_the_same_new_tags_make_each_of_them_once(base: ActionBase) -> None:
    clients = [add_client(base, f"parallel-{number}") for number in range(20)]
    batches = [
        [request(base, f"parallel-{n}", {"tag_text": f"{'New' if batch % 2 else 'new'} {n % 5}"}) for n in numbers]
        for batch, numbers in enumerate([range(20), range(19, -1, -1)] * 4)
    ]
    with ThreadPoolExecutor(8) as threads:
        outcomes = [outcome for batch in threads.map(lambda batch: base.run(*batch), batches) for outcome in batch]
    assert {outcome.status for outcome in outcomes} == {"dispatched"}
    assert sum(outcome.body["changed"] for outcome in outcomes) == len(take_events(base)) == len(clients)
    assert len(base.rows("SELECT 1 AS one FROM tags WHERE lower(tag_text) LIKE 'new %%'")) == 5


def test_an_entity_that_is_deleted_takes_its_links_and_leaves_the_tag(base: ActionBase) -> None:
    client = add_client(base, "deleted")
    tag(base, "deleted", "orphan")
    base.write("DELETE FROM clients WHERE id = %s", [client])
    assert tags_of(base, client) == []
    assert refusal_of(tag(base, "deleted", "orphan")) == (MISS, "field_mapping.external_id")
    assert len(base.rows("SELECT 1 AS one FROM tags WHERE tag_text = 'orphan'")) == 1
