"""The actions of this installation: loaded once, from every installed package, or the start is refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from infra.actions.core.coercion import Coercer, compile_coercer
from infra.actions.core.definitions import definition_faults
from infra.actions.errors import ActionRegistryError
from schemas.actions import ActionDefinition

ENTRY_POINT_GROUP = "hookline.actions"
REQUIRED_ACTIONS = frozenset(
    {
        *("createTicket", "updateTicketByExternalId", "addTicketCommentByExternalId", "changeTicketStatusByExternalId"),
        *("upsertClientByExternalId", "setClientActiveByExternalId", "upsertContactByExternalId"),
        *("upsertAssetByExternalId", "markInvoicePaidByExternalId", "updateInvoiceStatusByExternalId"),
        *("createTimeEntry", "createProjectTask", "updateProjectTaskStatusByExternalId", "addTagToEntityByExternalId"),
    }
)


@dataclass(frozen=True, slots=True)
class RegisteredAction:
    """A definition, the package it came from, and its prepared coercion."""

    definition: ActionDefinition
    package: str
    coercer: Coercer


class ActionRegistry(Mapping[str, RegisteredAction]):
    """Registered actions by name, sorted by entity type and name. A name that is gone: ACTION_UNKNOWN."""

    def __init__(self, actions: Sequence[RegisteredAction]) -> None:
        in_order = sorted(actions, key=lambda action: (action.definition.entity_type, action.definition.name))
        self._by_name = MappingProxyType({action.definition.name: action for action in in_order})

    def __getitem__(self, name: str) -> RegisteredAction:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


def load_actions(points: Sequence[EntryPoint] | None = None) -> ActionRegistry:
    """Load all actions; `points` default to the installed entry points of the group `hookline.actions`.

    Raises ActionRegistryError with every fault: failed load, bad definition, a name given twice, a missing built-in.
    """
    faults: list[str] = []
    packages: dict[str, str] = {}
    registered: list[RegisteredAction] = []
    for point in points if points is not None else tuple(entry_points(group=ENTRY_POINT_GROUP)):
        package = point.dist.name if point.dist is not None else point.value
        for definition in _definitions_of(point, package, faults):
            found = [f"{fault} (package {package})" for fault in definition_faults(definition)]
            earlier = packages.setdefault(str(definition.name), package)
            if earlier != package or any(one.definition.name == definition.name for one in registered):
                found.append(f"action {definition.name!r} is given by two packages: {earlier} and {package}")
            if not found:
                registered.append(RegisteredAction(definition, package, compile_coercer(definition)))
            faults += found
    faults += [f"built-in action {name!r} is missing" for name in sorted(REQUIRED_ACTIONS - packages.keys())]
    if faults:
        raise ActionRegistryError("actions cannot be loaded: " + "; ".join(faults))
    return ActionRegistry(registered)


def _definitions_of(point: EntryPoint, package: str, faults: list[str]) -> tuple[ActionDefinition, ...]:
    try:
        loaded = point.load()
    except Exception as error:  # noqa: BLE001
        # Anybody's module may fail in any way; it is named with the other faults, and the start is refused.
        cause = f"{type(error).__name__}: {error}"
        faults.append(f"entry point {point.name!r} of package {package} failed to load: {cause}")
        return ()
    definitions = loaded if isinstance(loaded, tuple) else (loaded,)
    if not all(isinstance(definition, ActionDefinition) for definition in definitions):
        faults.append(
            f"entry point {point.name!r} of package {package} is neither an ActionDefinition nor a tuple of them"
        )
        return ()
    return definitions
