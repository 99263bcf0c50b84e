"""Secrets at rest: AES-256-GCM under a master key, the key's id inside the ciphertext so that old keys stay readable.

Text form: `v1.<key id>.<base64url of 12-byte nonce + ciphertext + 16-byte tag>`; the context (tenant, webhook) is
authenticated with it, so that a ciphertext copied to another webhook does not open.
"""

import base64
import binascii
import os
import secrets
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.errors import SecretError, SettingsError
from infra.settings import Settings

KEY_BYTES = 32
_NONCE_BYTES = 12


class SecretBox:
    """Seals with the first of `keys`, opens with any of them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise SettingsError(f"master key: {KEY_BYTES} bytes in base64url are needed")
        self._by_id = {_key_id(key): AESGCM(key) for key in keys}
        self._current = _key_id(keys[0])

    def seal(self, secret: str, *, context: str) -> str:
        """Ciphertext of `secret`, bound to `context`."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._by_id[self._current].encrypt(nonce, secret.encode(), context.encode())
        return f"v1.{self._current}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, context: str) -> str:
        """The secret inside `sealed`. Raises SecretError on an unknown key, another context or damage."""
        version, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        box = self._by_id.get(key_id)
        if version != "v1" or box is None:
            raise SecretError(f"secret sealed under master key {key_id or '?'}, which is not configured")
        try:
            payload = base64.urlsafe_b64decode(text)
            return box.decrypt(payload[:_NONCE_BYTES], payload[_NONCE_BYTES:], context.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise SecretError(f"secret of {context} cannot be opened: damaged, or sealed for something else") from error


def webhook_context(tenant_id: str, webhook_id: str) -> str:
    """Context of a webhook's secrets."""
    return f"webhook/{tenant_id}/{webhook_id}"


def load_secret_box(settings: Settings) -> SecretBox:
    """The box of this process. Raises SettingsError when no usable master key is configured."""
    if settings.master_key is not None:
        return SecretBox([_decode_key(settings.master_key.get_secret_value(), "HOOKLINE_MASTER_KEY")])
    if settings.master_key_file is not None:
        try:
            text = settings.master_key_file.read_text().strip()
        except OSError as error:
            raise SettingsError(f"HOOKLINE_MASTER_KEY_FILE {settings.master_key_file}: {error.strerror}") from error
        return SecretBox([_decode_key(line, str(settings.master_key_file)) for line in text.splitlines()])
    raise SettingsError("HOOKLINE_MASTER_KEY or HOOKLINE_MASTER_KEY_FILE must be set")


def create_master_key_file(path: Path) -> None:
    """Write a fresh key to `path` (mode 0600) unless it is there already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n")


def _decode_key(text: str, source: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise SettingsError(f"{source}: not base64url") from error


def _key_id(key: bytes) -> str:
    return blake2b(key, digest_size=6, person=b"hookline-key-id").hexdigest()
