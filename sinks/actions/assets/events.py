"""The domain events of an asset: one per kind of change; `updated` has what no other event tells."""

from schemas.actions import ActionContext
from sinks.actions.assets.snapshot import Lifecycle
from sinks.actions.assets.state import RMM, AssetState, Row, told_changes

_ACTIVITY = "is_active"
_STATUS = f"{RMM}status"


def emit_created(context: ActionContext, after: AssetState) -> None:
    """Tell of a new asset."""
    context.emit("asset.created", "asset", after.asset["id"], data=after.document())


def emit_changes(context: ActionContext, after: AssetState, changes: Row) -> None:
    """Tell of `changes`, which led to `after`."""
    told = told_changes(changes)
    events = [("asset.updated", told.keys() - {_ACTIVITY, _STATUS})]
    if _ACTIVITY in told:
        kind = "activated" if told[_ACTIVITY]["new"] else "deactivated"
        events.append((f"asset.{kind}", told.keys() & {_ACTIVITY, _STATUS}))
    reachability = _reachability(told)
    if reachability is not None:
        events.append((f"asset.{reachability}", {_STATUS}))
    document = after.document() if any(names for _, names in events) else {}
    for event_type, names in events:
        if names:
            of_event = {name: told[name] for name in sorted(names)}
            context.emit(event_type, "asset", after.asset["id"], data=document, changes=of_event)


def _reachability(told: Row) -> str | None:
    status = told.get(_STATUS)
    if status is None:
        return None
    if status["new"] == Lifecycle.OFFLINE:
        return "went_offline"
    back = status["previous"] == Lifecycle.OFFLINE and status["new"] == Lifecycle.ACTIVE
    return "came_online" if back else None
