"""What open differences of a tenant's ledger mean, in words that have the offsets. Pure."""

from dataclasses import dataclass

from infra.clock import HOUR_US, rfc3339
from infra.ledger.core.counts import Kind
from management.alerting.core.judgements import Judgement, Level
from management.alerting.core.rules import Ledger, Severity

#: Ranges of offsets that the details of an alert name, and its message; /ledger/differences has all.
PLACES_MAX = 100
_PLACES_IN_WORDS_MAX = 10
AGREES = Judgement(Level.CLEAR, "The ledger finds this difference no longer.")
_WORDS = {
    Kind.LOSS: "missing",
    Kind.DUPLICATE: "there more than once",
    Kind.LATE_PENDING: "without an outcome, though every stage is past",
    Kind.EXCHANGED: "exchanged for other ones",
    Kind.ALTERED: "changed or taken out of an hour that was counted",
    Kind.BROKEN_CHAIN: "of the chain changed or taken out after it was made",
}
#: What is counted, one of it and many, and what its hours say; else records, by when they were received.
_COUNTED = {Kind.BROKEN_CHAIN: ("entry", "entries", "of hours")}


@dataclass(frozen=True, slots=True)
class Finding:
    """Open differences that one alert tells: all of a kind that one examination has found of a tenant.

    Those of `late_pending` are told by the hour in which they were found: else they might be an alert a minute. What
    is found later is another finding, so no alert that is open hides it. `places` are ranges of offsets
    (`topic-partition:first-last`), at most PLACES_MAX of the `ranges` there are. `reasons` are words of the
    differences. Hours are starts of hours of `received_at`, in microseconds since the epoch.
    """

    kind: Kind
    records: int
    ranges: int
    first_hour_us: int
    last_hour_us: int
    reasons: tuple[str, ...]
    places: tuple[str, ...]


def finding_name(kind: Kind, found_at_us: int) -> str:
    """Of the alert's subject."""
    return f"{kind.value} found {rfc3339(found_at_us)}"


def severity_of(parameters: Ledger, kind: Kind) -> Severity:
    """How bad a kind is."""
    return parameters.late_pending_severity if kind is Kind.LATE_PENDING else parameters.severity


def judge_finding(found: Finding) -> Judgement:
    """Of `ledger`: whatever does not agree is raised."""
    since, until = rfc3339(found.first_hour_us), rfc3339(found.last_hour_us + HOUR_US)
    one, many, what = _COUNTED.get(found.kind, ("record", "records", "received"))
    noun = one if found.records == 1 else many
    named = ", ".join(found.places[:_PLACES_IN_WORDS_MAX])
    more = found.ranges - min(len(found.places), _PLACES_IN_WORDS_MAX)
    parts = [
        f"{found.kind.value}: {found.records:,} {noun} {_WORDS[found.kind]}, {what} from {since} to {until}",
        *([f"offsets {named}" + (f" and {more:,} more" if more else "")] if named else []),
        *found.reasons,
    ]
    details = {
        "kind": found.kind.value,
        "records": found.records,
        "since": since,
        "until": until,
        "offsets": list(found.places),
        "ranges": found.ranges,
        "reasons": list(found.reasons),
    }
    return Judgement(Level.RAISED, f"{'; '.join(parts)}.", details)
