"""One look at all rules: what is measured, judged and written.

A rule whose numbers cannot be had now is left out: what is open of it stays open, and the others are looked at.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import cast
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError, KafkaUnavailableError
from infra.groups import analytics_group_id
from infra.ids import uuid7_text
from infra.settings import Settings
from management.alerting.core import rules
from management.alerting.core.changes import Changes, Judged, Subject, changes_of
from management.alerting.core.judgements import (
    Horizon,
    Judgement,
    Level,
    Outcomes,
    judge_dead_letters,
    judge_failures,
    judge_horizon,
    judge_lateness,
    judge_rejections,
    judge_silence,
)
from management.alerting.core.ledger import AGREES, judge_finding, severity_of
from management.alerting.core.overrides import Overrides
from management.alerting.core.rhythm import HOUR_US, chance_of_silence
from management.alerting.core.rules import RULES, Rule, RuleParameters
from management.alerting.dead_letters import DeadLetters
from management.alerting.observations import Observations, Refusals, Webhook, WindowOutcomes
from management.alerting.rhythms import Rhythms
from management.alerting.session import AlertSession, KnownWebhook, OpenAlert, Written
from management.group_watch import WATCH_SECONDS, GroupView, GroupWatch, Views

#: No rule may ask for more: what is likelier than this is not looked at further.
_CHANCE_MAX = 0.05
_GONE = Judgement(Level.CLEAR, "The webhook is gone, or takes no requests any more.")
_OFF = Judgement(Level.CLEAR, "The rule is switched off.")
_SPOKE = Judgement(Level.CLEAR, "It speaks again.")

Judge = Callable[[RuleParameters, Webhook, KnownWebhook], Judgement]


@dataclass(slots=True)
class Look:
    """One evaluation: what was found at its beginning, and what it comes to."""

    session: AlertSession
    now_us: int
    opened: Mapping[Subject, OpenAlert]
    overrides: Overrides
    judged: list[Judged] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def judge_webhooks(self, rule: Rule, candidates: Iterable[Webhook], judge: Judge, *, in_force: bool) -> None:
        """Judge these webhooks and those with an open alert. `in_force`: only while the webhook takes requests."""
        of_open = {
            (subject.tenant_id, alert.webhook_id)
            for subject, alert in self.opened.items()
            if subject.rule == rule.name and subject.tenant_id is not None and alert.webhook_id is not None
        }
        wanted = {*candidates, *of_open}
        known = self.session.read_webhooks(wanted)
        for webhook in wanted:
            parameters, found = self.overrides.of(rule, *webhook), known.get(webhook)
            if found is None or (in_force and not found.is_in_force):
                judgement = _GONE
            elif not parameters.enabled:
                judgement = _OFF
            else:
                judgement = judge(parameters, webhook, found)
            named = judgement if found is None else replace(judgement, message=f"{found.name}: {judgement.message}")
            subject = Subject(webhook[0], rule.name, str(webhook[1]))
            self.judged.append(Judged(subject, webhook[1], parameters.severity, named))

    def judge_installation(self, rule: Rule, name: str, parameters: RuleParameters, judgement: Judgement) -> None:
        """Of something that no tenant has."""
        self.judged.append(Judged(Subject(None, rule.name, name), None, parameters.severity, judgement))

    @contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """Leave out what cannot be had now, and say so."""
        try:
            yield
        except KafkaUnavailableError as error:
            self.troubles.append(f"{what}: Kafka: {error}")
        except (ClickHouseUnavailableError, ClickHouseRefusedError) as error:
            self.troubles.append(f"{what}: ClickHouse: {error}")


class Evaluation:
    """Keeps what is learnt and read between looks; for one thread. Close it when done; `watch` is its owner's."""

    def __init__(self, settings: Settings, clickhouse: ClickHouse, watch: GroupWatch) -> None:
        self._settings = settings
        self._watch = watch
        self._observations = Observations(clickhouse, settings.sla)
        self._rhythms = Rhythms(self._observations)
        self._targets = settings.sla.by_priority
        self._dead_letters: DeadLetters | None = None

    def look(self, session: AlertSession, now_us: int) -> tuple[Written, list[str]]:
        """Look at every rule once; what was written, and which rules were left out and why.

        Raises PostgresUnavailableError.
        """
        opened = session.read_open()
        look = Look(session, now_us, opened, Overrides(session.read_overrides()))
        self._judge_ledger(look)
        views = self._watch.look(age_seconds_max=WATCH_SECONDS)
        self._judge_horizons(look, views)
        until_us = self._log_reaches(views)
        with look.trying("failure_rate, sla"):
            self._judge_outcomes(look, now_us if until_us is None else until_us)
        with look.trying("rejections"):
            self._judge_rejections(look)
        with look.trying("silence"):
            self._rhythms.learn_some(now_us)
            if until_us is not None:
                self._judge_silence(look, until_us)
        with look.trying("dead_letters"):
            self._judge_dead_letters(look)
        changes = self._changes(look)
        return session.write(changes, uuid7_text(now_us), now_us), look.troubles

    def close(self) -> None:
        """Let the connections go."""
        self._forget_dead_letters()

    def _changes(self, look: Look) -> Changes:
        return changes_of(look.judged, {subject: alert.id for subject, alert in look.opened.items()})

    def _log_reaches(self, views: Views) -> int | None:
        """Until when the delivery log has all there is; None while that is not known."""
        groups = {analytics_group_id(self._settings.analytics, name) for name in ("requests", "outcomes")}
        reached = [_reached_us(view) for group, view in views if group.group_id in groups]
        known = [at_us for at_us in reached if at_us is not None]
        return min(known) if len(known) == len(groups) else None

    def _judge_ledger(self, look: Look) -> None:
        """Of the ledgers Postgres alone is asked; while nobody examines them nothing changes."""
        rule = RULES["ledger"]
        findings = look.session.read_findings(look.opened)
        of_open = {one for one in look.opened if one.rule == rule.name}
        for subject in {*findings, *of_open}:
            assert subject.tenant_id is not None  # noqa: S101 - each ledger is a tenant's
            parameters = cast("rules.Ledger", look.overrides.of(rule, subject.tenant_id, None))
            found = findings.get(subject)
            severity = parameters.severity if found is None else severity_of(parameters, found.kind)
            judgement = AGREES if found is None else judge_finding(found)
            look.judged.append(Judged(subject, None, severity, judgement if parameters.enabled else _OFF))

    def _judge_horizons(self, look: Look, views: Views) -> None:
        parameters = rules.DataLoss(hours_min=self._settings.alerts.data_loss_hours)
        look.troubles += dict.fromkeys(f"data_loss: {view}" for _, view in views if isinstance(view, str))
        for group, view in views:
            for topic in () if isinstance(view, str) else view.topics:
                horizon = Horizon(
                    group.group_id,
                    topic.backlog.topic,
                    topic.backlog.records,
                    topic.backlog.lost_records,
                    topic.retention_seconds,
                    topic.retention_left_seconds,
                    topic.data_loss_seconds,
                )
                judgement = judge_horizon(parameters, horizon)
                name = f"{group.group_id}/{topic.backlog.topic}"
                look.judge_installation(RULES["data_loss"], name, parameters, judgement)

    def _judge_outcomes(self, look: Look, until_us: int) -> None:
        failing, late = RULES["failure_rate"], RULES["sla"]
        windows = {*look.overrides.windows(failing), *look.overrides.windows(late)}
        measured = {minutes: self._observations.outcomes(minutes, until_us) for minutes in windows}
        nothing = WindowOutcomes(0, 0, (0, 0, 0, 0))

        def judge_failing(given: RuleParameters, webhook: Webhook, _: KnownWebhook) -> Judgement:
            parameters = cast("rules.FailureRate", given)
            found = measured[parameters.window_minutes].get(webhook, nothing)
            return judge_failures(parameters, Outcomes(found.finished, failed=found.failed))

        def judge_late(given: RuleParameters, webhook: Webhook, known: KnownWebhook) -> Judgement:
            parameters = cast("rules.Sla", given)
            found = measured[parameters.window_minutes].get(webhook, nothing)
            outcomes = Outcomes(found.finished, late=found.late[known.priority])
            return judge_lateness(parameters, outcomes, self._targets[known.priority])

        candidates = {webhook for found in measured.values() for webhook in found}
        look.judge_webhooks(failing, candidates, judge_failing, in_force=False)
        look.judge_webhooks(late, candidates, judge_late, in_force=False)

    def _judge_rejections(self, look: Look) -> None:
        rule = RULES["rejections"]
        measured = {
            minutes: self._observations.refusals(minutes, look.now_us) for minutes in look.overrides.windows(rule)
        }

        def judge(given: RuleParameters, webhook: Webhook, _: KnownWebhook) -> Judgement:
            parameters = cast("rules.Rejections", given)
            found = measured[parameters.window_minutes].get(webhook, Refusals(0, ()))
            return judge_rejections(parameters, found.refused, found.reasons)

        candidates = {webhook for found in measured.values() for webhook in found}
        look.judge_webhooks(rule, candidates, judge, in_force=True)

    def _judge_silence(self, look: Look, until_us: int) -> None:
        silent = self._observations.silent(until_us - HOUR_US)

        def judge(given: RuleParameters, webhook: Webhook, _: KnownWebhook) -> Judgement:
            if webhook not in silent:
                return _SPOKE
            parameters = cast("rules.Silence", given)
            return judge_silence(parameters, self._rhythms.get(webhook), silent[webhook], until_us)

        candidates = {webhook for webhook, last_us in silent.items() if self._is_unusual(webhook, last_us, until_us)}
        look.judge_webhooks(RULES["silence"], candidates, judge, in_force=True)

    def _is_unusual(self, webhook: Webhook, last_us: int, until_us: int) -> bool:
        rhythm = self._rhythms.get(webhook)
        return rhythm is not None and chance_of_silence(rhythm, last_us, until_us) <= _CHANCE_MAX

    def _judge_dead_letters(self, look: Look) -> None:
        rule = RULES["dead_letters"]
        if self._dead_letters is None:
            self._dead_letters = DeadLetters(self._settings.kafka)
        letters = self._dead_letters
        try:
            if not letters.read(look.now_us):
                return
        except KafkaUnavailableError:
            self._forget_dead_letters()
            raise
        measured = {minutes: letters.counts(minutes, look.now_us) for minutes in look.overrides.windows(rule)}
        by_webhook: dict[tuple[int, UUID | None, UUID | None], int] = {}
        for minutes, found in measured.items():
            for (tenant_id, webhook_id, _), records in found.items():
                key = (minutes, tenant_id, webhook_id)
                by_webhook[key] = by_webhook.get(key, 0) + records

        def judge(given: RuleParameters, webhook: Webhook, _: KnownWebhook) -> Judgement:
            parameters = cast("rules.DeadLetters", given)
            return judge_dead_letters(parameters, by_webhook.get((parameters.window_minutes, *webhook), 0))

        candidates = {(one, other) for _, one, other in by_webhook if one is not None and other is not None}
        look.judge_webhooks(rule, candidates, judge, in_force=False)
        defaults = rules.DeadLetters()
        found = measured[defaults.window_minutes]
        nobodys = {f"dead letters/{topic}": records for (tenant, _, topic), records in found.items() if tenant is None}
        undecodable = self._observations.undecodable(defaults.window_minutes, look.now_us)
        nobodys |= {f"undecodable/{topic}": records for topic, records in undecodable.items()}
        of_open = {one.name for one in look.opened if one.tenant_id is None and one.rule == rule.name}
        for name in {*nobodys, *of_open}:
            judgement = judge_dead_letters(defaults, nobodys.get(name, 0))
            look.judge_installation(rule, name, defaults, replace(judgement, message=f"{name}: {judgement.message}"))

    def _forget_dead_letters(self) -> None:
        if self._dead_letters is not None:
            self._dead_letters.close()
            self._dead_letters = None


def _reached_us(view: GroupView | str) -> int | None:
    """Until when the group has read everything; None while that is not known."""
    if isinstance(view, str):
        return None
    oldest = [topic.backlog.oldest_at_us for topic in view.topics if topic.backlog.records]
    return None if None in oldest else min([view.at_us, *(at_us for at_us in oldest if at_us is not None)])
