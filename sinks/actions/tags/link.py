"""addTagToEntityByExternalId, for a set of commands of one tenant: tags and links of them all at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.entities.documents import document
from infra.queries import load_queries
from schemas.actions import ActionContext, ActionError, ActionResult, Command
from schemas.encoding import record_bytes
from sinks.actions.choice import Choice
from sinks.actions.entity_set import EXTERNAL_ID, Row, decide_each, miss
from sinks.actions.errors import CommandRaceError
from sinks.actions.references import MappingKey, References, entity_without_realm, load_references
from sinks.actions.tags.fields import COLOR, COLOR_FIELDS, REFERENCES
from sinks.actions.values import require_form

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")


@dataclass(frozen=True, slots=True)
class _Wish:
    """A tag on an entity. `row`: the tag, if it has to be made."""

    context: ActionContext
    values: Mapping[str, Any]
    entity_id: UUID
    row: Row


def add_tags(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run many addTagToEntityByExternalId."""
    mapped = _lock_mappings(commands)
    references = load_references(commands, REFERENCES)
    decided = decide_each(commands, lambda context, values: _wish(context, values, mapped, references))
    wishes = [wish for wish in decided if isinstance(wish, _Wish)]
    if not wishes:
        return [answer for answer in decided if isinstance(answer, ActionError)]
    tags = _get_or_create(wishes)
    results = iter(
        [
            _result(wish, tags[wish.values["tag_text"]], is_new)
            for wish, is_new in zip(wishes, _link(wishes, tags), strict=True)
        ]
    )
    return [answer if isinstance(answer, ActionError) else next(results) for answer in decided]


def _lock_mappings(commands: Sequence[Command]) -> Mapping[MappingKey, Mapping[str, UUID]]:
    keys = {(context.namespace_id, values["entity_type"], values[EXTERNAL_ID]) for context, values in commands}
    wanted = [{"webhook_id": w, "entity_type": kind, "external_id": external_id} for w, kind, external_id in keys]
    mapped: dict[MappingKey, dict[str, UUID]] = defaultdict(dict)
    context = commands[0][0]
    parameters = {"tenant_id": context.tenant_id, "wanted": record_bytes(wanted).decode()}
    for row in context.tx.rows(_QUERIES["lock_mappings"], parameters):
        mapped[row["webhook_id"], row["entity_type"], row["external_id"]][row["realm_id"]] = row["entity_id"]
    return mapped


def _wish(
    context: ActionContext,
    values: Mapping[str, Any],
    mapped: Mapping[MappingKey, Mapping[str, UUID]],
    references: References,
) -> _Wish:
    for name in COLOR_FIELDS:
        require_form(values, name, COLOR, "a colour, as #rrggbb")
    creator = Choice(context, values, references).of("created_by")
    entity_type, external_id = values["entity_type"], values[EXTERNAL_ID]
    by_realm = mapped.get((context.namespace_id, entity_type, external_id), {})
    entity_id = entity_without_realm(by_realm, external_id, EXTERNAL_ID)
    if entity_id is None:
        raise miss(EXTERNAL_ID, entity_type, external_id)
    row = {name: values.get(name) for name in ("tag_text", *COLOR_FIELDS)}
    row |= {"id": context.new_id(), "created_by": None if creator is None else creator.id}
    return _Wish(context, values, entity_id, row)


def _get_or_create(wishes: Sequence[_Wish]) -> Mapping[str, Row]:
    """The tags of all wishes, by the text they were wished with."""
    texts = {wish.values["tag_text"] for wish in wishes}
    tags = _find_tags(wishes[0].context, texts)
    if texts <= tags.keys():
        return tags
    missing = [wish.row | {"position": n} for n, wish in enumerate(wishes) if wish.values["tag_text"] not in tags]
    context = wishes[0].context
    context.tx.execute(_QUERIES["insert_tags"], _rows_of(context, missing))
    tags = _find_tags(context, texts)  # whoever was first, we or another sink
    if not texts <= tags.keys():
        raise CommandRaceError("a tag was deleted meanwhile")
    return tags


def _find_tags(context: ActionContext, texts: Iterable[str]) -> dict[str, Row]:
    found = context.tx.rows(_QUERIES["find_tags"], {"tenant_id": context.tenant_id, "texts": sorted(texts)})
    return {row.pop("wanted"): row for row in found}


def _link(wishes: Sequence[_Wish], tags: Mapping[str, Row]) -> list[bool]:
    """Link them all; says of each wish whether its link is new. Of several that want one link the first makes it."""
    links = [(tags[wish.values["tag_text"]]["id"], wish.values["entity_type"], wish.entity_id) for wish in wishes]
    rows = [{"tag_id": tag_id, "entity_type": kind, "entity_id": entity_id} for tag_id, kind, entity_id in set(links)]
    context = wishes[0].context
    made = context.tx.rows(_QUERIES["insert_links"], _rows_of(context, rows))
    unclaimed = {(row["tag_id"], row["entity_type"], row["entity_id"]) for row in made}
    is_new: list[bool] = []
    for link in links:
        is_new.append(link in unclaimed)
        unclaimed.discard(link)
    return is_new


def _rows_of(context: ActionContext, rows: Sequence[Row]) -> dict[str, Any]:
    return {"tenant_id": context.tenant_id, "now": context.now, "rows": record_bytes(rows).decode()}


def _result(wish: _Wish, tag: Row, is_new: bool) -> ActionResult:
    entity_type = wish.values["entity_type"]
    if is_new:
        data = {"entity_type": entity_type, "entity_id": wish.entity_id, "tag": document(tag)}
        wish.context.emit("entity.tagged", entity_type, wish.entity_id, data=data)
    return ActionResult(
        entity_type=entity_type,
        entity_id=wish.entity_id,
        external_id=wish.values[EXTERNAL_ID],
        changed=is_new,
        message=f"{entity_type.replace('_', ' ')} has the tag {tag['tag_text']!r} {'now' if is_new else 'already'}",
        metadata={"tag_id": str(tag["id"]), "tag_created": tag["id"] == wish.row["id"]},
    )
