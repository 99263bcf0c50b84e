"""Every rule there is, with its parameters and their defaults: the one place where a rule is declared."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Severity = Literal["warning", "critical"]
RuleName = Literal["failure_rate", "dead_letters", "silence", "sla", "rejections", "ledger", "data_loss"]
#: One statement per window in use reads all webhooks, so there are few to choose from.
WindowMinutes = Literal[15, 60, 360]
#: Where the numbers are a count alone, below this share of what raises an alert it is resolved.
CLEAR_SHARE = 0.5


class RuleParameters(BaseModel):
    """What every rule has. A member that is wrong is named by validation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="false: nothing is raised, and what is open is resolved")
    severity: Severity = "warning"


class FailureRate(RuleParameters):
    """Deliveries that were received in the window, tests and replays apart."""

    failed_percent: float = Field(default=20.0, ge=0.1, le=100, description="of those that finished")
    finished_min: int = Field(default=10, ge=1, le=1_000_000, description="below it the share says nothing")
    window_minutes: WindowMinutes = 60


class DeadLetters(RuleParameters):
    """Records of a webhook that went to a dead-letter topic within the window."""

    severity: Severity = "critical"
    records_min: int = Field(default=1, ge=1, le=1_000_000)
    window_minutes: WindowMinutes = 60


class Silence(RuleParameters):
    """A webhook that says nothing at times when it used to, held to its last four weeks of activity."""

    chance_max: float = Field(
        default=0.001, ge=1e-9, le=0.05, description="how likely such a pause may still be: once in a thousand"
    )
    history_days_min: int = Field(default=14, ge=7, le=28, description="known for less: nothing is raised")


class Sla(RuleParameters):
    """Outcomes later than the target of the webhook's priority, of requests that were received in the window."""

    late_percent: float = Field(default=5.0, ge=0.1, le=100, description="of the deliveries that finished")
    finished_min: int = Field(default=20, ge=1, le=1_000_000, description="below it the share says nothing")
    window_minutes: WindowMinutes = 60


class Rejections(RuleParameters):
    """Requests to a webhook whose proof was refused within the window."""

    refused_min: int = Field(default=50, ge=1, le=1_000_000)
    window_minutes: WindowMinutes = 60


class Ledger(RuleParameters):
    """What does not agree in a tenant's ledger and is not resolved: docs/ledger.md."""

    severity: Severity = "critical"
    late_pending_severity: Severity = Field(
        default="warning", description="of requests without an outcome; nothing is missing"
    )


class DataLoss(RuleParameters):
    """A consumer so far behind that records it has not read will be deleted."""

    severity: Severity = "critical"
    hours_min: float = Field(default=24.0, gt=0, le=8_760, description="until the first record is deleted unread")


@dataclass(frozen=True, slots=True)
class Rule:
    """`parameters` gives the defaults. `of_installation`: what it finds is the operator's, and no tenant tunes it.

    `of_webhooks`: it is about single webhooks, and can be tuned for one.
    """

    name: RuleName
    description: str
    parameters: type[RuleParameters]
    of_installation: bool = False
    of_webhooks: bool = True

    @property
    def defaults(self) -> RuleParameters:
        """The parameters where nobody changed anything."""
        return self.parameters()


_DECLARED = (
    Rule("failure_rate", "Too many deliveries of a webhook fail.", FailureRate),
    Rule("dead_letters", "Requests or actions of a webhook could not be processed for a reason of ours.", DeadLetters),
    Rule("silence", "A webhook is silent when it used to speak.", Silence),
    Rule("sla", "Outcomes of a webhook come later than its priority's target.", Sla),
    Rule("rejections", "Many requests to a webhook are refused: perhaps a wrong secret.", Rejections),
    Rule("ledger", "Requests are missing from the ledger, or do not agree with it.", Ledger, of_webhooks=False),
    Rule(
        "data_loss",
        "A consumer is about to lose records that it has not read.",
        DataLoss,
        of_installation=True,
        of_webhooks=False,
    ),
)
RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in _DECLARED})


def effective(rule: Rule, *overrides: Mapping[str, Any] | None) -> RuleParameters:
    """The parameters in force: the defaults, and over them each override that is there, the last one first of all.

    Raises pydantic's ValidationError.
    """
    given: dict[str, Any] = {}
    for override in overrides:
        given.update(override or {})
    return rule.parameters.model_validate(given, strict=True)
