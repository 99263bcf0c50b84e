"""The ledger as the API shows it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.ledger.core.counts import Kind
from management.moments import Moment
from management.paging import PageRequest

State = Literal["filling", "stored", "entered", "chain_only"]
_HOUR = "start of the hour of `received_at`, RFC 3339, UTC"


class LedgerFilter(PageRequest):
    """Which entries a list shows; the time window is of the hours: since ≤ hour < until."""


class LedgerDifferenceFilter(PageRequest):
    """Which differences a list shows; the time window is of the hours: since ≤ hour < until."""

    kind: Kind | None = None
    open: bool | None = Field(default=None, description="true: not resolved; false: resolved")


class VerificationRequest(BaseModel):
    """Which hours to verify: since ≤ hour < until, at most 31 days. Without them: the last 24 hours and this one."""

    model_config = ConfigDict(frozen=True)

    since: Moment | None = None
    until: Moment | None = None


class LedgerCounts(BaseModel):
    """Of one hour. `requests` = raw - tests - replays; `raw` = dispatched + duplicate + filtered + failed + pending."""

    accepted: int = Field(description="attested by receivers: answered 200")
    invalid_json: int = Field(description="attested: answered 400, and kept")
    late: int = Field(description="attested: written, but the sender had been answered 503")
    unattested: int = Field(
        description="requests whose receiver was killed before it attested them; nothing is missing"
    )
    requests: int
    tests: int
    replays: int
    raw: int = Field(description="records of the raw topics that are in the log")
    dispatched: int
    duplicate: int
    filtered: int
    failed: int
    pending: int
    without_request: int = Field(description="outcomes whose request is not in the log")
    attested_digest: str = Field(description="of the delivery ids' last 48 bits: sum modulo 2^64, hexadecimal")
    request_digest: str


class LedgerEntry(BaseModel):
    """What was counted of an hour once it was over and stored. Never changed; a later change is the next revision."""

    number: int
    hour: str = Field(description=_HOUR)
    revision: int
    entered_at: str = Field(description="RFC 3339, UTC, milliseconds")
    counts: LedgerCounts
    previous_hash: str
    hash: str


class LedgerDifference(BaseModel):
    """Something that does not agree. `offsets` is `topic-partition:first-last`, null where no place is known."""

    hour: str = Field(description=_HOUR)
    kind: Kind
    count: int
    offsets: str | None
    topic: str | None
    partition: int | None
    first_offset: int | None
    last_offset: int | None
    detail: str


class KeptDifference(LedgerDifference):
    """As it was found by the continuous check; `resolved_at` is null while it is open."""

    id: str
    found_at: str
    resolved_at: str | None


class VerifiedChain(BaseModel):
    """All entries of the tenant, hashed anew. A `head_hash` kept elsewhere shows later that none was cut off."""

    entries: int
    head_number: int
    head_hash: str
    broken_at: int | None
    problem: str | None


class VerifiedHour(BaseModel):
    """An hour counted anew.

    `filling`: not over, or not all of it stored yet. `stored`: nothing more is to come, not entered yet. `entered`:
    held against its entry, too. `chain_only`: its records are no longer in the topics and its rows may have been
    deleted by retention or erasure, so only its entry, as a part of the chain, is verified.
    """

    hour: str = Field(description=_HOUR)
    state: State
    counts: LedgerCounts
    entry_number: int | None
    differs: bool


class LedgerVerification(BaseModel):
    """`different`: something is lost, twice there, late or altered, and `differences` or `chain` say what."""

    verdict: Literal["balanced", "different"]
    words: str
    since: str
    until: str
    outcomes_judged: bool = Field(description="false: the stages were too busy to tell a lost outcome from a late one")
    chain: VerifiedChain
    hours: list[VerifiedHour]
    differences: list[LedgerDifference]
