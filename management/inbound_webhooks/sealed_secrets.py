"""Sealing the secrets of webhooks, and opening them where they are needed: to compare, to derive, to explain."""

import hmac
from uuid import UUID

from infra.errors import SecretError
from infra.proofs.requests import Secret
from infra.secretbox import SecretBox, webhook_context
from infra.webhooks import seal_webhook_secret
from management.inbound_webhooks.stored import StoredSecret, StoredWebhook
from management.paging import microseconds


class SealedSecrets:
    """Safe to share between threads. What it opens is not to be kept, shown or logged."""

    def __init__(self, secret_box: SecretBox) -> None:
        self._secret_box = secret_box

    def seal(self, tenant_id: UUID, webhook_id: UUID, secret: str) -> str:
        """A ciphertext for this webhook and no other."""
        return seal_webhook_secret(
            self._secret_box, secret, tenant_id=str(tenant_id), webhook_id=str(webhook_id)
        ).sealed

    def current(self, stored: StoredWebhook) -> str | None:
        """The secret that is good now; None where there is none, or it does not open."""
        found = stored.secret("current")
        return None if found is None else self._open(stored, found)

    def is_current(self, stored: StoredWebhook, secret: str) -> bool:
        """Whether it is the secret that is good already, compared in constant time. One that does not open is not."""
        current = self.current(stored)
        return current is not None and hmac.compare_digest(current.encode(), secret.encode())

    def opened(self, stored: StoredWebhook) -> list[Secret]:
        """All of them, as verifiers take them, without those that do not open."""
        found = [(secret, self._open(stored, secret)) for secret in stored.secrets]
        return [
            Secret(text.encode(), None if sealed.valid_until is None else microseconds(sealed.valid_until))
            for sealed, text in found
            if text is not None
        ]

    def _open(self, stored: StoredWebhook, secret: StoredSecret) -> str | None:
        try:
            return self._secret_box.open(secret.sealed, context=webhook_context(str(stored.tenant_id), str(stored.id)))
        except SecretError:
            return None
