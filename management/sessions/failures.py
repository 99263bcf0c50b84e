"""How often a password may be tried, and by whom.

Every attempt is counted before the password is looked at and taken back when it was right, so attempts at the same time
do not slip through. A stranger's failures count for the account as strangers know it, and for the stranger's address;
those of a browser that is known to the account count for that browser alone. So no stranger can shut a known browser
out, and nobody at all can be shut out by another account's failures.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from infra.addresses import subscriber
from infra.postgres import Connection, Pool, set_tenant, unavailability_translated
from infra.queries import load_queries
from infra.settings import ManagementSettings
from management.errors import TooManyRequestsError
from management.sessions.browsers import KnownBrowser
from management.sessions.repository import NO_TENANT, QUERIES_FILE, NamedAccount


class Subject(NamedTuple):
    """What failures are counted for. `own`: of somebody who showed who they are, so being right clears it."""

    tenant_id: UUID
    name: str
    failures_max: int
    own: bool = False


class Failures:
    """Counts in Postgres, for all processes. Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool, settings: ManagementSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._queries = load_queries(QUERIES_FILE)

    def of_stranger(self, named: NamedAccount, source_ip: str) -> list[Subject]:
        """Subjects of a sign-in from a browser that the account does not know, whether there is an account or not."""
        digest = hashlib.sha256(f"{named.tenant_slug}/{named.email.lower()}".encode()).hexdigest()
        return [
            Subject(NO_TENANT, f"address:{subscriber(source_ip)}", self._settings.sign_in_address_failures_max),
            Subject(
                named.tenant_id or NO_TENANT,
                account_subject(named.user_id or digest),
                self._settings.sign_in_failures_max,
            ),
        ]

    def of_known_browser(self, browser: KnownBrowser) -> list[Subject]:
        """Subjects of a sign-in from a browser that the account knows."""
        name = f"browser:{browser.id}:{browser.user_id}"
        return [Subject(browser.tenant_id, name, self._settings.sign_in_failures_max, own=True)]

    def of_password_change(self, tenant_id: UUID, user_id: UUID) -> list[Subject]:
        """Subjects of a try of one's own password by somebody who is signed in."""
        return [Subject(tenant_id, f"password:{user_id}", self._settings.sign_in_failures_max, own=True)]

    def count(self, subjects: list[Subject]) -> None:
        """Count an attempt as failed until it is taken back. Raises TooManyRequestsError: then none may be made.

        Subjects are counted in the order given, up to the first that is blocked.
        """
        wait_seconds = 0
        with unavailability_translated(), self._pool.connection() as connection:
            for subject in subjects:
                wait_seconds = self._count(connection, subject)
                if wait_seconds:
                    break
        if wait_seconds:
            raise TooManyRequestsError(
                "too many failed attempts, try again later", headers={"Retry-After": str(wait_seconds)}
            )

    def take_back(self, subjects: list[Subject], *, proven: bool) -> None:
        """The attempt was not wrong. `proven`: it was right, which clears what the prover alone stands for."""
        with unavailability_translated(), self._pool.connection() as connection:
            for subject in subjects:
                set_tenant(connection, subject.tenant_id)
                statement = "forget_subject" if proven and subject.own else "take_back_attempt"
                self._execute(connection, statement, subject)

    def _count(self, connection: Connection, subject: Subject) -> int:
        """Seconds to wait; 0 when the attempt may be made."""
        set_tenant(connection, subject.tenant_id)
        counted = self._execute(connection, "count_attempt", subject).fetchone()
        if counted is not None and not counted["blocked"]:
            self._execute(connection, "forget_old_subjects", subject)
            return 0
        block = self._execute(connection, "read_block", subject).fetchone()
        return 1 if block is None else int(block["seconds"])

    def _execute(self, connection: Connection, name: str, subject: Subject) -> Any:
        parameters: Mapping[str, Any] = {
            "tenant_id": subject.tenant_id,
            "subject": subject.name,
            "failures_max": subject.failures_max,
            "window_seconds": self._settings.sign_in_window_seconds,
            "block_seconds": self._settings.sign_in_block_seconds,
        }
        return connection.execute(self._queries[name].encode(), parameters)


def account_subject(account: UUID | str) -> str:
    """What strangers' failures are counted under: of a user's id, or of the digest of a name that nobody has."""
    return f"account:{account}"
