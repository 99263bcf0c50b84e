"""Which alerts are to be raised and which resolved, from what is open and what was judged. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from management.alerting.core.judgements import Judgement, Level
from management.alerting.core.rules import Severity


class Subject(NamedTuple):
    """What an alert is about; there is at most one open alert of each. `tenant_id` None: the installation.

    `name` is a webhook's id as text where the subject is a webhook.
    """

    tenant_id: UUID | None
    rule: str
    name: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """An open alert that is to be closed, and why, in words."""

    subject: Subject
    alert_id: UUID
    resolution: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of a subject."""

    subject: Subject
    webhook_id: UUID | None
    severity: Severity
    judgement: Judgement


class Changes(NamedTuple):
    """What one evaluation leads to."""

    raised: list[Judged]
    resolved: list[Resolved]


def changes_of(judged: Iterable[Judged], opened: Mapping[Subject, UUID]) -> Changes:
    """`opened` has the ids of the alerts that are open now. Of subjects that were not judged nothing changes."""
    raised: list[Judged] = []
    resolved: list[Resolved] = []
    for one in judged:
        alert_id = opened.get(one.subject)
        if alert_id is None and one.judgement.level is Level.RAISED:
            raised.append(one)
        elif alert_id is not None and one.judgement.level is Level.CLEAR:
            resolved.append(Resolved(one.subject, alert_id, one.judgement.message))
    return Changes(raised, resolved)
