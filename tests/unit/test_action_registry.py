"""Actions are loaded once from installed packages; any fault refuses the start. Options and ordering of commands."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

from infra.actions.core.options import check_options, namespace_of
from infra.actions.errors import ActionRegistryError
from infra.actions.registry import ENTRY_POINT_GROUP, REQUIRED_ACTIONS, load_actions
from infra.merge_patch import merge_patch
from schemas.actions import ActionContext, ActionDefinition, ActionOption, ActionResult, FieldType, TargetField
from sinks.actions.command import parse_command
from sinks.actions.errors import MalformedRecordError
from sinks.actions.ordering import sets_in_order
from sinks.actions.tickets import CREATE_TICKET
from tests.support.actions import TRACE_HEADERS, TRACE_ID, builtin_registry

ID = "0190b0a4-0000-7000-8000-00000000000"


class NamedDistribution(Distribution):
    def __init__(self, name: str) -> None:
        self._named = name

    @property
    def metadata(self) -> Any:
        return {"Name": self._named}

    def read_text(self, filename: str) -> str | None:
        del filename
        return None

    def locate_file(self, path: Any) -> Any:
        return path


def handle(_: ActionContext, __: Mapping[str, Any]) -> ActionResult:
    raise NotImplementedError


EXTRA = ActionDefinition(
    name="ringBell",
    entity_type="bell",
    display_name="Ring",
    description="Ring the bell",
    target_fields=(TargetField(name="tone", type=FieldType.STRING, description="Tone"),),
    handle=handle,
)


def point(package: str, offered: object, monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    module = ModuleType("package_" + package.replace("-", "_"))
    module.ACTIONS = offered  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = EntryPoint(package, f"{module.__name__}:ACTIONS", ENTRY_POINT_GROUP)
    vars(entry).update(dist=NamedDistribution(package))
    return entry


def test_the_built_in_actions_load_and_are_sound() -> None:
    registry = builtin_registry()
    assert registry.keys() == REQUIRED_ACTIONS
    assert len(REQUIRED_ACTIONS) == 14
    by_type = [(action.definition.entity_type, name) for name, action in registry.items()]
    assert by_type == sorted(by_type)
    assert {entity_type for entity_type, _ in by_type} == {
        *("asset", "client", "contact", "invoice", "project_task", "tag", "ticket", "time_entry")
    }
    assert registry["createTicket"].definition is CREATE_TICKET


def test_another_package_adds_an_action_of_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = builtin_registry(point("bells", EXTRA, monkeypatch))
    assert registry.keys() == REQUIRED_ACTIONS | {"ringBell"}
    assert registry["ringBell"].package == "bells"


def test_one_name_from_two_packages_refuses_the_start_and_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    points = (
        point("first-package", (CREATE_TICKET,), monkeypatch),
        point("second-package", CREATE_TICKET, monkeypatch),
    )
    with pytest.raises(ActionRegistryError, match=r"'createTicket'.*first-package and second-package"):
        load_actions(points)


def test_all_faults_stand_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    bad_field = TargetField(name="Tone", type=FieldType.ENUM, description="Tone")
    bad = replace(EXTRA, target_fields=(bad_field, bad_field), required_one_of=(("tone",),))
    missing = EntryPoint("gone", "no_such_module_anywhere:ACTIONS", ENTRY_POINT_GROUP)
    points = (point("bad-package", bad, monkeypatch), point("odd-package", "text", monkeypatch), missing)
    with pytest.raises(ActionRegistryError) as caught:
        load_actions(points)
    message = str(caught.value)
    for part in (
        "field Tone is declared twice",
        "an enum needs them",
        "required_one_of tone",
        "(package bad-package)",
        "odd-package is neither",
        "no_such_module_anywhere",
        *(f"built-in action {name!r} is missing" for name in REQUIRED_ACTIONS),
    ):
        assert part in message


@pytest.mark.parametrize("name", sorted(REQUIRED_ACTIONS))
def test_without_one_of_the_built_in_actions_nothing_starts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    others = tuple(action.definition for action in builtin_registry().values() if action.definition.name != name)
    with pytest.raises(ActionRegistryError, match=f"^actions cannot be loaded: built-in action '{name}' is missing$"):
        load_actions((point("hookline", others, monkeypatch),))


def test_a_module_that_fails_in_whatever_way_is_a_fault_like_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    causes = {"KeyError": "{}['absent']", "ZeroDivisionError": "1 / 0", "SyntaxError": "def", "OSError": "open('/')"}
    monkeypatch.syspath_prepend(tmp_path)
    for cause, source in causes.items():
        (tmp_path / f"failing_{cause.lower()}.py").write_text(source)
    points = [EntryPoint(cause, f"failing_{cause.lower()}:ACTIONS", ENTRY_POINT_GROUP) for cause in causes]
    with pytest.raises(ActionRegistryError) as caught:
        load_actions([*points, point("bells", EXTRA, monkeypatch)])
    for cause in causes:
        assert f"entry point {cause!r} of package failing_{cause.lower()}:ACTIONS failed to load" in str(caught.value)


def test_members_of_a_wrong_type_are_faults_and_no_surprises(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: dict[str, Any] = {
        "name": ["ringBell"],
        "entity_type": None,
        "description": 5,
        "handle": "ring",
        "handle_many": "ring",
        "target_fields": [{"name": "tone"}],
        "options": ("loud",),
        "required_one_of": ("tone", "reason"),
    }
    for member, value in wrong.items():
        bad = replace(EXTRA, **{member: value})
        with pytest.raises(ActionRegistryError, match=rf"{member} must be .*\(package bells\)"):
            builtin_registry(point("bells", bad, monkeypatch))


def test_options_are_of_different_names_none_of_which_handler_config_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    options = tuple(ActionOption(name=name, enum_values=("a",)) for name in ("mode", "mode", "action"))
    with pytest.raises(ActionRegistryError) as caught:
        load_actions((point("bells", replace(EXTRA, options=options), monkeypatch),))
    assert "option mode is declared twice" in str(caught.value)
    assert "option action has a name that handler_config needs itself" in str(caught.value)


def test_a_name_given_twice_is_a_fault_also_where_one_of_the_two_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    points = (
        point("first-package", (replace(EXTRA, description=""),), monkeypatch),
        point("second-package", (EXTRA,), monkeypatch),
        point("third-package", (replace(EXTRA, name="hum"), replace(EXTRA, name="hum")), monkeypatch),
    )
    with pytest.raises(ActionRegistryError) as caught:
        load_actions(points)
    assert "action 'ringBell' is given by two packages: first-package and second-package" in str(caught.value)
    assert "action 'hum' is given by two packages: third-package and third-package" in str(caught.value)


def test_options_are_checked_and_defaults_filled_in() -> None:
    assert check_options(CREATE_TICKET, {}).values == {"on_existing": "fail"}
    given = check_options(CREATE_TICKET, {"on_existing": "ignore", "external_ids_of": ID + "1"})
    assert given.problems == []
    assert given.values == {"on_existing": "ignore", "external_ids_of": ID + "1"}
    assert namespace_of(given.values, ID + "2") == ID + "1"
    assert namespace_of({}, ID + "2") == ID + "2"
    faults = check_options(CREATE_TICKET, {"on_existing": "maybe", "external_ids_of": "x", "speed": "high"}).problems
    assert [fault.path for fault in faults] == [
        "handler_config.on_existing",
        "handler_config.external_ids_of",
        "handler_config.speed",
    ]


def test_a_default_outside_its_values_is_a_bad_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = replace(EXTRA, options=(ActionOption(name="mode", enum_values=("a",), default="b"),))
    with pytest.raises(ActionRegistryError, match="option mode: default 'b'"):
        builtin_registry(point("bells", bad, monkeypatch))


def request(**members: Any) -> bytes:
    plain = {
        "delivery_id": ID + "1",
        "tenant_id": ID + "2",
        "webhook_id": ID + "3",
        "webhook_slug": "rmm",
        "config_version": 1,
        "received_at": 1_700_000_000_000_000,
        "action": "createTicket",
        "fields": {"title": "x", "client_id": "Acme"},
        "origin": {"topic": "t", "partition": 0, "offset": 1, "incarnation": "i"},
    }
    return orjson.dumps(plain | members)


def test_a_record_becomes_a_command_with_its_trace() -> None:
    command = parse_command(request(), TRACE_HEADERS, builtin_registry())
    assert command.refusal is None
    assert command.trace_id == TRACE_ID
    assert parse_command(request(), None, builtin_registry()).command_id == command.command_id
    replayed = parse_command(request(replay_id=ID + "9"), None, builtin_registry())
    assert replayed.command_id != command.command_id


@pytest.mark.parametrize(
    ("value", "member"),
    [
        (None, "the value"),
        (b"{", "the value"),
        (request(tenant_id="x"), "tenant_id"),
        (request(replay_id="x"), "replay_id"),
        (request(release_key="xy"), "release_key"),
        (request(received_at=9 * 10**18), "received_at"),
        (request(surprise=1), "surprise"),
    ],
)
def test_a_malformed_record_is_refused_by_its_member(value: bytes | None, member: str) -> None:
    with pytest.raises(MalformedRecordError, match=member):
        parse_command(value, None, builtin_registry())


def test_an_unknown_action_and_bad_fields_are_refusals_not_malformed() -> None:
    unknown = parse_command(request(action="gone"), None, builtin_registry())
    assert unknown.refusal is not None
    assert unknown.refusal.code == "ACTION_UNKNOWN"
    bad = parse_command(request(fields={"title": "a\u0000"}), None, builtin_registry())
    assert bad.refusal is not None
    assert (bad.refusal.code, bad.refusal.path) == ("VALIDATION_ERROR", "field_mapping.title")
    assert "client_id" in bad.refusal.message


def test_commands_of_one_external_id_keep_their_order_and_others_run_together() -> None:
    ids = ["a", "b", "a", "c", "a", "b"]
    commands = [
        parse_command(request(fields={"title": "x", "client_id": "A", "external_id": i}), None, builtin_registry())
        for i in ids
    ]
    assert sets_in_order(commands) == [[0, 1, 3], [2, 5], [4]]


def test_commands_of_one_record_key_keep_their_order_too_whatever_their_external_ids() -> None:
    entries = [("a", b"k"), ("b", b"k"), ("a", b"l"), ("c", b"m"), ("b", b"m"), ("d", b"n")]
    commands = [
        parse_command(
            request(fields={"title": "x", "client_id": "A", "external_id": external_id}),
            None,
            builtin_registry(),
            key=key,
        )
        for external_id, key in entries
    ]
    assert sets_in_order(commands) == [[0, 3, 5], [1, 2], [4]]


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({"a": [1]}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({"a": "b"}, ["c"], ["c"]),
    ],
)
def test_merge_patch_is_rfc_7396(target: Any, patch: Any, merged: Any) -> None:
    assert merge_patch(target, patch) == merged
