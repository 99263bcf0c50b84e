"""Every action in every case, run on a database: what is declared in `action_cells` is held to what happens.

A cell is JSON, as docs/action-matrix.json has it: `{"then", "events"}` of a success, `{"refused": {code: [field]}}`,
`{"repeated", "replayed"}`, `{"at_once": {outcome: count}}`, or `{"cannot"}`: why the action cannot have the case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from schemas.actions import ActionDefinition, FieldType
from sinks.actions.execution import Outcome
from tests.support.action_cells import CELLS, ActionCells, Cannot
from tests.support.actions import refusal_of, request_of
from tests.support.matrix_stage import AT_ONCE, GIVENS, MatrixStage

INVALID, MISS, CONFLICT = "VALIDATION_ERROR", "LOOKUP_MISS", "CONFLICT"
PATH = "field_mapping."
#: What a field of each type does not take.
WRONG: Mapping[FieldType, Any] = {
    FieldType.STRING: ["text"],
    FieldType.INT: "1e3",
    FieldType.NUMBER: "many",
    FieldType.BOOLEAN: "maybe",
    FieldType.ENUM: "no such value",
    FieldType.JSON: "no object",
    FieldType.REF: {"id": 1},
    FieldType.DATETIME: "tomorrow",
}
Cell = dict[str, Any]
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """One action in one case."""

    stage: MatrixStage
    definition: ActionDefinition
    cells: ActionCells
    external_id: str

    def request(self, fields: Fields | None = None, **members: Any) -> dict[str, Any]:
        """The action's command with `fields` over those that succeed."""
        merged = named({**self.cells.fields, **(fields or {})}, self.external_id)
        return request_of(self.stage.base, self.definition.name, merged, **members)

    def run(self, *requests: Mapping[str, Any]) -> list[Outcome]:
        """Run commands as one batch."""
        return self.stage.run(requests)

    def prepare(self, givens: Sequence[str] | None = None) -> None:
        """Make what the action needs: by what other actions do, or a row that no action makes."""
        for given in self.cells.given if givens is None else givens:
            if given in CELLS:
                cells = CELLS[given]
                outcome = self.run(request_of(self.stage.base, given, named(cells.fields, self.external_id)))[0]
                assert outcome.status == "dispatched", outcome.body
            else:
                GIVENS[given](self.stage.base, self.external_id)

    def refused(self, code: str, attempts: Sequence[tuple[str, Mapping[str, Any]]], cause: str = "") -> Cell:
        """Run each request, which has to be refused for its field, all of them without any effect."""
        before = self.stage.state()
        for (field, _), outcome in zip(attempts, self.run(*(request for _, request in attempts)), strict=True):
            assert refusal_of(outcome) == (code, PATH + field), outcome.body
            assert field in outcome.body["message"], outcome.body
            assert cause in outcome.body["message"], outcome.body
        assert self.stage.state() == before
        return {"refused": {code: list(dict.fromkeys(field for field, _ in attempts))}}


def named(fields: Fields, external_id: str) -> dict[str, Any]:
    """`fields` with the external id in the place of {id}."""
    return {k: v.replace("{id}", external_id) if isinstance(v, str) else v for k, v in fields.items()}


def word_of(outcome: Outcome) -> str:
    """How a command ended, in a word or with its code and field."""
    if outcome.status == "failed":
        code, path = refusal_of(outcome)
        return f"{code} {(path or '').removeprefix(PATH)}".strip()
    return "created" if outcome.body["created"] else "changed" if outcome.body["changed"] else "unchanged"


def _run_ok(subject: Subject) -> Cell:
    subject.prepare()
    position = subject.stage.position()
    request = subject.request(hops=1)
    (outcome,) = subject.run(request)
    assert word_of(outcome) == subject.cells.ok, outcome.body
    assert outcome.body["external_id"] == subject.external_id
    events = subject.stage.events_after(position)
    assert tuple(event["type"] for event in events) == subject.cells.events
    actor = {"type": "webhook", "id": request["webhook_id"], "name": request["webhook_slug"]}
    for event in events:
        assert (event["actor"], event["causation_id"], event["hops"]) == (actor, request["delivery_id"], 2)
        assert event["entity_id"] == outcome.body["entity_id"]
    return {"then": word_of(outcome), "events": list(subject.cells.events)}


def _run_miss(subject: Subject) -> Cell:
    fields = [f.name for f in subject.definition.target_fields if f.name.endswith("_external_id")]
    if subject.cells.ok == "changed":
        fields.insert(0, "external_id")
    if isinstance(subject.cells.miss, Cannot):
        assert not fields, "it has an external id to miss"
        return subject.cells.miss.cell
    assert fields
    subject.prepare()
    return subject.refused(MISS, [(name, _with(subject, name, f"unmapped {subject.external_id}")) for name in fields])


def _run_invalid_type(subject: Subject) -> Cell:
    subject.prepare()
    return subject.refused(
        INVALID, [(f.name, subject.request({f.name: WRONG[f.type]})) for f in subject.definition.target_fields]
    )


def _run_missing_required(subject: Subject) -> Cell:
    subject.prepare()
    groups: list[tuple[str, ...]] = [
        (f.name,) for f in subject.definition.target_fields if f.required or f.required_on_create
    ]
    groups += [*subject.definition.required_one_of, *subject.cells.required_one_of]
    left_out = [(group[0], subject.request(dict.fromkeys(group, ...))) for group in groups]
    return subject.refused(INVALID, left_out)


def _run_conflict(subject: Subject) -> Cell:
    conflict = subject.cells.conflict
    if isinstance(conflict, Cannot):
        return conflict.cell
    subject.prepare((*subject.cells.given, *conflict.given))
    return subject.refused(CONFLICT, [(conflict.at, subject.request(conflict.fields))])


def _run_cross_tenant(subject: Subject) -> Cell:
    """Every reference by id and by name, and the other tenant's external ids: none of them is there."""
    subject.prepare()
    foreign = subject.stage.foreign
    refs = [(f.name, f.ref_entity_type) for f in subject.definition.target_fields if f.ref_entity_type is not None]
    attempts = [(name, _with(subject, name, str(text))) for name, kind in refs for text in foreign.named[kind]]
    cell = subject.refused(INVALID, attempts, "there is no active") if attempts else {"refused": {}}
    kind = subject.cells.fields.get("entity_type", subject.definition.entity_type)
    subject.stage.base.write(
        "INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        [foreign.tenant_id, uuid4(), foreign.webhook_id, kind, subject.external_id, uuid4()],
    )
    theirs = subject.request(options={"external_ids_of": str(foreign.webhook_id)})
    cell["refused"] |= subject.refused(MISS, [("external_id", theirs)])["refused"]
    return cell


def _run_replayed(subject: Subject) -> Cell:
    subject.prepare()
    request = subject.request()
    (first,) = subject.run(request)
    assert word_of(first) == subject.cells.ok, first.body
    after_first = subject.stage.state()
    (second,) = subject.run(request)
    assert (second.repeated, second.status, second.body) == (True, first.status, first.body)
    assert subject.stage.state() == after_first
    (replayed,) = subject.run(request | {"replay_id": str(uuid4())})
    assert not replayed.repeated
    assert word_of(replayed) == subject.cells.replayed, replayed.body
    assert (subject.stage.state() == after_first) == (subject.cells.replayed not in ("created", "changed"))
    return {"repeated": word_of(second), "replayed": word_of(replayed)}


def _run_concurrent(subject: Subject) -> Cell:
    """As many effects as there are successes that did something, each the effect that one command has alone."""
    alone = Subject(subject.stage, subject.definition, subject.cells, f"{subject.external_id}-alone")
    alone.prepare()
    growth = _growth(alone, lambda: alone.run(alone.request()))
    subject.prepare()
    position = subject.stage.position()
    outcomes: list[Outcome] = []
    requests = [subject.request() for _ in range(AT_ONCE)]
    together = _growth(subject, lambda: outcomes.extend(subject.stage.run_at_once(requests)))
    words = Counter(map(word_of, outcomes))
    assert words == subject.cells.at_once, [outcome.body for outcome in outcomes]
    effects = words["created"] + words["changed"]
    assert together == {name: count * effects for name, count in growth.items()}
    told = Counter(event["type"] for event in subject.stage.events_after(position))
    assert told == Counter(subject.cells.events * effects)
    return {"at_once": dict(sorted(words.items(), key=lambda item: item[1]))}


def _growth(subject: Subject, act: Callable[[], object]) -> dict[str, int]:
    before = subject.stage.state()
    act()
    return {name: count - before[name][0] for name, (count, _) in subject.stage.state().items()}


def _with(subject: Subject, name: str, text: str) -> dict[str, Any]:
    """The command with `text` in a field, and what the field needs beside it to be looked at."""
    return subject.request({**subject.cells.beside.get(name, {}), name: text})


CASES: Mapping[str, Callable[[Subject], Cell]] = {
    "ok": _run_ok,
    "miss": _run_miss,
    "invalid type": _run_invalid_type,
    "missing required": _run_missing_required,
    "conflict": _run_conflict,
    "cross-tenant ref": _run_cross_tenant,
    "replayed": _run_replayed,
    "concurrent": _run_concurrent,
}


def run_cell(stage: MatrixStage, action: str, case: str) -> Cell:
    """Run one cell and return what happened. AssertionError when it is not what was declared."""
    subject = Subject(
        stage, stage.registry[action].definition, CELLS[action], f"{action}-{case}".replace(" ", "-").lower()
    )
    return CASES[case](subject)
