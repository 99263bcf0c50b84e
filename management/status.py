"""GET /status: every part of this process, and every consumer group of the system, wherever its members run."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from infra.advice import GroupCondition, group_advice, part_advice
from infra.clock import MICROSECONDS, now_us, rfc3339
from infra.groups import ConsumerGroup
from infra.role import PartHealth, Role
from management.group_watch import GroupView, GroupWatch, TopicView

Shown = dict[str, Any]


class SystemStatus:
    """Asks every part and looks at every group when it is asked."""

    def __init__(self, watch: GroupWatch, parts: Sequence[Role]) -> None:
        self._watch = watch
        self._parts = parts

    def routes(self) -> APIRouter:
        """200 when every part here is ready and every group has members, else 503."""
        router = APIRouter()

        @router.get("/status", include_in_schema=False)
        def status() -> JSONResponse:
            groups = [_group(group, view) for group, view in self._watch.look()]
            hosted = [_part(part.health(), groups) for part in self._parts]
            ready = all(entry["ready"] for entry in (*hosted, *groups))
            return JSONResponse({"ready": ready, "parts": hosted, "groups": groups}, status_code=200 if ready else 503)

        return router


def _part(state: PartHealth, groups: Sequence[Shown]) -> Shown:
    """The part's own state; what waits for it is what waits for the groups of its role."""
    own = [group for group in groups if group["role"] == state.name]
    return {
        "name": state.name,
        "ready": state.ready,
        "reasons": list(state.reasons),
        "lag_records": state.lag_records,
        "last_commit_at": _moment(state.last_commit_at_us),
        "oldest_unprocessed_seconds": max(_known(own, "oldest_unprocessed_seconds"), default=None),
        "data_loss_in_seconds": min(_known(own, "data_loss_in_seconds"), default=None),
        "what_to_do": list(part_advice(state.reasons)),
        "details": dict(state.details),
    }


def _known(groups: Sequence[Mapping[str, Any]], member: str) -> list[float]:
    return [group[member] for group in groups if group[member] is not None]


def _group(group: ConsumerGroup, view: GroupView | str) -> Shown:
    if isinstance(view, str):
        unknown = dict.fromkeys(
            ("members", "lag_records", "oldest_unprocessed_at", "oldest_unprocessed_seconds", "last_commit_at"),
        ) | dict.fromkeys(("retention_left_seconds", "data_loss_in_seconds", "data_loss_topic", "lost_records"))
        named = {"role": group.role, "group_id": group.group_id, "ready": False, "reasons": [view]}
        return {**named, **unknown, "lag_by_topic": {}, "what_to_do": list(part_advice([view]))}
    reasons = [] if view.readers.members else ["no member: the role runs nowhere, or it has not joined yet"]
    if view.readers.members:
        reasons += [f"{topic}: no member reads it" for topic in view.readers.unread or ()]
    oldest = min((t.backlog.oldest_at_us for t in view.topics if t.backlog.oldest_at_us is not None), default=None)
    next_loss = _next_loss(view)
    condition = _condition(view, next_loss)
    return {
        "role": group.role,
        "group_id": group.group_id,
        "members": view.readers.members,
        "lag_records": sum(topic.backlog.records for topic in view.topics),
        "ready": not reasons,
        "reasons": reasons,
        "lag_by_topic": {topic.backlog.topic: topic.backlog.records for topic in view.topics},
        "oldest_unprocessed_at": _moment(oldest),
        "oldest_unprocessed_seconds": None if oldest is None else _seconds(view.at_us - oldest),
        "last_commit_at": _moment(view.last_commit_at_us),
        "retention_left_seconds": min(
            (t.retention_left_seconds for t in view.topics if t.retention_left_seconds is not None), default=None
        ),
        "data_loss_in_seconds": condition.data_loss_seconds,
        "data_loss_topic": condition.data_loss_topic,
        "lost_records": condition.lost_records,
        "what_to_do": list(group_advice(condition)),
    }


def _next_loss(view: GroupView) -> TopicView | None:
    losing = [topic for topic in view.topics if topic.data_loss_seconds is not None]
    return min(losing, key=lambda topic: topic.data_loss_seconds or 0.0, default=None)


def _condition(view: GroupView, next_loss: TopicView | None) -> GroupCondition:
    waits = any(topic.backlog.records for topic in view.topics)
    since_us = view.last_commit_at_us or view.watched_since_us
    return GroupCondition(
        role=view.group.role,
        members=view.readers.members,
        unread=view.readers.unread or (),
        lost_records=sum(topic.backlog.lost_records for topic in view.topics),
        data_loss_topic=None if next_loss is None else next_loss.backlog.topic,
        data_loss_seconds=None if next_loss is None else next_loss.data_loss_seconds,
        standstill_seconds=_seconds(now_us() - since_us) if waits else None,
    )


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else rfc3339(at_us)


def _seconds(microseconds: int) -> float:
    return max(0.0, round(microseconds / MICROSECONDS, 3))
