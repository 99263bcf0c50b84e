"""From a stored webhook to what the API shows of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from infra.clock import now_us, rfc3339, rfc3339_of
from infra.proofs.errors import UnknownPresetError
from infra.proofs.handshakes import handshake_rules, handshake_token, uses_token
from management.access import Actor
from management.inbound_webhooks.activity import Activity
from management.inbound_webhooks.schemas import InboundWebhookConfig, InboundWebhookSaved, Json, SettingsWarning
from management.inbound_webhooks.schemes import auth_of
from management.inbound_webhooks.sealed_secrets import SealedSecrets
from management.inbound_webhooks.stored import StoredWebhook, sample_of
from management.paging import microseconds
from schemas.presets import Preset

UPDATE = "inbound_webhook:update"


class Showing:
    """`receiver_base_url` is where senders reach the receiver."""

    def __init__(self, receiver_base_url: str, secrets: SealedSecrets, presets: Mapping[str, Preset]) -> None:
        self._base_url = receiver_base_url.rstrip("/")
        self._secrets = secrets
        self._presets = presets

    def in_list(self, webhook: StoredWebhook, activity: Activity | None, actor: Actor) -> InboundWebhookConfig:
        """Without sample and warnings; `activity` is None while it cannot be read."""
        return InboundWebhookConfig.model_validate(self._members(webhook, activity, actor))

    def alone(
        self,
        webhook: StoredWebhook,
        activity: Activity | None,
        actor: Actor,
        *,
        warnings: list[SettingsWarning],
        secret: str | None = None,
    ) -> InboundWebhookSaved:
        """Everything the actor may see; `secret` in the answer to a change that generated it."""
        members = self._members(webhook, activity, actor) | {"warnings": warnings}
        members["handshake_token"] = self.handshake_token(webhook) if actor.may(UPDATE) else None
        if actor.may(UPDATE):
            members["sample_payload"] = sample_of(webhook)
        if secret is not None:
            members["secret"] = secret
        return InboundWebhookSaved.model_validate(members)

    def handshake_token(self, webhook: StoredWebhook) -> str | None:
        """What the sender's handshake asks for; None where none asks for it, or the secret does not open."""
        settings = webhook.settings
        try:
            rules = handshake_rules(auth_of(settings.as_json()["auth_config"]), settings.handshake, self._presets)
        except UnknownPresetError:
            return None
        if not uses_token(rules):
            return None
        current = self._secrets.current(webhook)
        return None if current is None else handshake_token(current)

    def _members(self, webhook: StoredWebhook, activity: Activity | None, actor: Actor) -> Json:
        current, previous = webhook.secret("current"), webhook.secret("previous")
        valid_until = None if previous is None else previous.valid_until
        is_over = valid_until is not None and microseconds(valid_until) <= now_us()
        return {
            **webhook.settings.as_json(),
            "id": webhook.id,
            "receiver_url": f"{self._base_url}/api/inbound/{actor.tenant_slug}/{webhook.settings.slug}",
            "version": webhook.version,
            "has_sample_payload": webhook.has_sample,
            "sample_captured_at": _time(webhook.sample_captured_at),
            "sample_capture_expires_at": _time(webhook.sample_capture_expires_at),
            "auto_disabled_at": _time(webhook.auto_disabled_at),
            **_activity(activity),
            "created_by": webhook.created_by,
            "created_at": rfc3339_of(webhook.created_at),
            "updated_at": rfc3339_of(webhook.updated_at),
            "secret_rotated_at": None if current is None else rfc3339_of(current.created_at),
            "previous_secret_valid_until": None if is_over else _time(valid_until),
        }


def _activity(activity: Activity | None) -> dict[str, Any]:
    if activity is None:
        return {"last_triggered_at": None, "trigger_count": None, "error_rate": None}
    at_us = activity.last_triggered_at_us
    return {
        "last_triggered_at": None if at_us is None else rfc3339(at_us),
        "trigger_count": activity.trigger_count,
        "error_rate": activity.error_rate,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339_of(moment)
