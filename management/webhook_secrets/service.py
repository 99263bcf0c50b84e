"""Rotating the secret of a webhook: at most two are good at once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from infra.clock import rfc3339_of
from infra.postgres import Connection, Pool, tenant_transaction
from management.access import Actor
from management.errors import ConflictError
from management.inbound_webhooks.repository import load_to_change
from management.inbound_webhooks.rules.problems import Problems, check_shape
from management.inbound_webhooks.rules.proof import check_secret, missing_secret, unusable
from management.inbound_webhooks.schemas import InboundWebhookSettings, Json
from management.inbound_webhooks.sealed_secrets import SealedSecrets
from management.inbound_webhooks.secret_forms import SECRET_NAMES, SecretForm
from management.inbound_webhooks.showing import Showing
from management.inbound_webhooks.stored import StoredWebhook
from management.inbound_webhooks.validation import SettingsRules
from management.inbound_webhooks.writing import WebhookWriter
from management.webhook_secrets.repository import drop_previous, replace_secrets, rotate_secret
from management.webhook_secrets.schemas import FinalisedRotation, RotatedSecret, SecretRotationInput
from schemas.webhooks import PresetScheme, StandardWebhooksScheme


class WebhookSecretService:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(
        self, pool: Pool, rules: SettingsRules, writer: WebhookWriter, secrets: SealedSecrets, showing: Showing
    ) -> None:
        self._pool = pool
        self._rules = rules
        self._writer = writer
        self._secrets = secrets
        self._showing = showing

    def rotate(self, actor: Actor, webhook_id: UUID, body: Json) -> RotatedSecret:
        """Have another secret; the present one stays good for the overlap, and one before it ends now.

        Raises NotFoundError, ConflictError for a scheme without a secret, ValidationFailedError.
        """
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            stored, form = self._load(connection, actor, webhook_id)
            wanted, given = self._checked(body, stored.settings, form)
            if given is not None and self._secrets.is_current(stored, given):
                raise ConflictError("this is the webhook's secret already")
            secret = given or form.generate()
            sealed = self._secrets.seal(stored.tenant_id, stored.id, secret)
            valid_until = None
            if wanted.rotation_overlap_seconds and stored.secret("current") is not None:
                valid_until = datetime.now(UTC) + timedelta(seconds=wanted.rotation_overlap_seconds)
                rotate_secret(connection, stored.tenant_id, stored.id, sealed, previous_valid_until=valid_until)
            else:
                replace_secrets(connection, stored.tenant_id, stored.id, sealed)
            shown = None if valid_until is None else rfc3339_of(valid_until)
            facts = {"previous_secret_valid_until": shown}
            webhook = self._writer.touch(connection, stored, "secret_rotated", actor=actor, facts=facts)
        return RotatedSecret(
            secret=secret,
            handshake_token=self._showing.handshake_token(webhook),
            previous_secret_valid_until=shown,
            version=webhook.version,
        )

    def finalise(self, actor: Actor, webhook_id: UUID) -> FinalisedRotation:
        """End the previous secret now; nothing where there is none. Raises NotFoundError, ConflictError."""
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            stored, _ = self._load(connection, actor, webhook_id)
            if stored.secret("previous") is not None:
                drop_previous(connection, stored.tenant_id, stored.id)
                stored = self._writer.touch(connection, stored, "rotation_finalised", actor=actor, facts={})
        return FinalisedRotation(version=stored.version)

    def _load(self, connection: Connection, actor: Actor, webhook_id: UUID) -> tuple[StoredWebhook, SecretForm]:
        stored = load_to_change(connection, actor.tenant_id, webhook_id)
        form = self._rules.secret_form(stored.settings)
        if form is None:
            auth = stored.settings.auth_config
            if isinstance(auth, PresetScheme) and auth.preset not in self._rules.presets:
                raise ConflictError(f"preset {auth.preset} is not installed any more: choose another one first")
            keyed = " with a public key" if isinstance(auth, PresetScheme | StandardWebhooksScheme) else ""
            raise ConflictError(f"auth_type {auth.type}{keyed} has no secret to rotate")
        return stored, form

    def _checked(
        self, body: Json, settings: InboundWebhookSettings, form: SecretForm
    ) -> tuple[SecretRotationInput, str | None]:
        """The wish, and the secret that was given, if any. Raises ValidationFailedError."""
        problems = Problems()
        members = SECRET_NAMES | {form.member}
        given = {name: value for name, value in body.items() if name in members and value is not None}
        for name in sorted(given.keys() - {"secret", form.member}):
            problems.add(name, f"the secret of {settings.auth_type} is called {form.member}")
        if len(given.keys() & {"secret", form.member}) > 1:
            problems.add("secret", f"secret and {form.member} mean the same: give one of them")
        secret = None
        for name in given.keys() & {"secret", form.member}:
            secret = check_secret(name, form, given[name], problems)
            config = settings.as_json()["auth_config"]
            words = None if secret is None else unusable(config, secret, self._rules.presets)
            if words is not None:
                problems.add(name, words)
        if not given and form.generated is None:
            problems.add("secret", missing_secret("secret", form))
        rest = {name: value for name, value in body.items() if name not in members}
        wanted = check_shape(SecretRotationInput, rest, "", problems)
        problems.raise_if_any()
        return wanted or SecretRotationInput(), secret
