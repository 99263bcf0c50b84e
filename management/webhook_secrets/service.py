"""Rotating the secret of a webhook: at most two are good at once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from infra.clock import rfc3339_of
from infra.postgres import Connection, Pool, tenant_transaction
from management.access import Actor
from management.errors import ConflictError
from management.inbound_webhooks.repository import load_to_change
from management.inbound_webhooks.rules.problems import Problems, check_shape
from management.inbound_webhooks.rules.proof import check_secret
from management.inbound_webhooks.schemas import SECRET_MEMBERS, Json
from management.inbound_webhooks.stored import StoredWebhook
from management.inbound_webhooks.writing import WebhookWriter, generate_secret
from management.webhook_secrets.repository import drop_previous, replace_secrets, rotate_secret
from management.webhook_secrets.schemas import FinalisedRotation, RotatedSecret, SecretRotationInput


class WebhookSecretService:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool, writer: WebhookWriter) -> None:
        self._pool = pool
        self._writer = writer

    def rotate(self, actor: Actor, webhook_id: UUID, body: Json) -> RotatedSecret:
        """Have another secret; the present one stays good for the overlap, and one before it ends now.

        Raises NotFoundError, ConflictError for a scheme without a secret, ValidationFailedError.
        """
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            stored = _load(connection, actor, webhook_id)
            wanted, given = _checked(body, stored.settings.auth_type)
            if given is not None and self._writer.is_current(stored, given):
                raise ConflictError("this is the webhook's secret already")
            secret = given or generate_secret()
            sealed = self._writer.seal(stored.tenant_id, stored.id, secret)
            valid_until = None
            if wanted.rotation_overlap_seconds and stored.secret("current") is not None:
                valid_until = datetime.now(UTC) + timedelta(seconds=wanted.rotation_overlap_seconds)
                rotate_secret(connection, stored.tenant_id, stored.id, sealed, previous_valid_until=valid_until)
            else:
                replace_secrets(connection, stored.tenant_id, stored.id, sealed)
            shown = None if valid_until is None else rfc3339_of(valid_until)
            facts = {"previous_secret_valid_until": shown}
            webhook = self._writer.touch(connection, stored, "secret_rotated", actor=actor, facts=facts)
        return RotatedSecret(secret=secret, previous_secret_valid_until=shown, version=webhook.version)

    def finalise(self, actor: Actor, webhook_id: UUID) -> FinalisedRotation:
        """End the previous secret now; nothing where there is none. Raises NotFoundError, ConflictError."""
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            stored = _load(connection, actor, webhook_id)
            if stored.secret("previous") is not None:
                drop_previous(connection, stored.tenant_id, stored.id)
                stored = self._writer.touch(connection, stored, "rotation_finalised", actor=actor, facts={})
        return FinalisedRotation(version=stored.version)


def _load(connection: Connection, actor: Actor, webhook_id: UUID) -> StoredWebhook:
    stored = load_to_change(connection, actor.tenant_id, webhook_id)
    if stored.settings.auth_type not in SECRET_MEMBERS:
        raise ConflictError(f"auth_type {stored.settings.auth_type} has no secret to rotate")
    return stored


def _checked(body: Json, auth_type: str) -> tuple[SecretRotationInput, str | None]:
    """The wish, and the secret that was given, if any. Raises ValidationFailedError."""
    problems = Problems()
    own, members = SECRET_MEMBERS[auth_type], set(SECRET_MEMBERS.values())
    given = {name: value for name, value in body.items() if name in members and value is not None}
    for name in sorted(given.keys() - {"secret", own}):
        problems.add(name, f"the secret of {auth_type} is called {own}")
    if len(given.keys() & {"secret", own}) > 1:
        problems.add("secret", f"secret and {own} mean the same: give one of them")
    secret = None
    for name, value in given.items():
        if name in ("secret", own):
            secret = check_secret(name, name, value, problems)
    rest = {name: value for name, value in body.items() if name not in members}
    wanted = check_shape(SecretRotationInput, rest, "", problems)
    problems.raise_if_any()
    return wanted or SecretRotationInput(), secret
