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
from infra.log import get_logger
from infra.settings import Settings

KEY_BYTES = 32
_NONCE_BYTES = 12
_PRIVATE_MODE = 0o600
_log = get_logger(__name__)


class MasterKeyFile:
    """Keys in base64url, one a line, the current one first; it may be replaced while processes use it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, ...] = ()

    def read(self) -> list[bytes]:
        """Every key. Raises SettingsError naming the file."""
        try:
            seen = self._signature()
            lines = self.path.read_text().split()
        except OSError as error:
            raise SettingsError(f"HOOKLINE_MASTER_KEY_FILE {self.path}: {error.strerror}") from error
        keys = _usable([_decode_key(line, str(self.path)) for line in lines])
        self._seen = seen
        return keys

    def has_changed(self) -> bool:
        """Whether another file stands there than the one last read."""
        try:
            return self._signature() != self._seen
        except OSError:
            return False

    def write(self, keys: Sequence[bytes]) -> None:
        """Replace the file as a whole, for its owner only; on the disk when this returns. Raises SettingsError."""
        partial = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            owner = self.path.stat()
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE), "w") as file:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                file.write("".join(_encode_key(key) for key in keys))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise SettingsError(f"{self.path} cannot be replaced: {error.strerror}") from error

    def _signature(self) -> tuple[int, ...]:
        found = self.path.stat()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class SecretBox:
    """Seals with the first of `keys`, opens with any of them.

    `key_file`, where the keys came from, is read again when it was replaced: before something is sealed, and when a
    secret is met that no known key opens. So a key is added without a restart. Keys once known stay known.
    """

    def __init__(self, keys: Sequence[bytes], key_file: MasterKeyFile | None = None) -> None:
        self._key_file = key_file
        self._by_id: dict[str, AESGCM] = {}
        self._take(_usable(keys))

    def seal(self, secret: str, *, context: str) -> str:
        """Ciphertext of `secret`, bound to `context`."""
        self._read_again()
        nonce, current = os.urandom(_NONCE_BYTES), self._current
        sealed = self._by_id[current].encrypt(nonce, secret.encode(), context.encode())
        return f"v1.{current}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, context: str) -> str:
        """The secret inside `sealed`. Raises SecretError on an unknown key, another context or damage."""
        wanted = key_id_of(sealed)
        if wanted not in self._by_id:
            self._read_again()
        box = self._by_id.get(wanted)
        if box is None:
            raise SecretError(f"secret sealed under master key {wanted or '?'}, which is not configured")
        try:
            payload = base64.urlsafe_b64decode(sealed.rpartition(".")[2])
            return box.decrypt(payload[:_NONCE_BYTES], payload[_NONCE_BYTES:], context.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise SecretError(f"secret of {context} cannot be opened: damaged, or sealed for something else") from error

    def fingerprint(self, text: str, *, context: str) -> str:
        """`f1.<key id>.<hex>`: a keyed hash of `text` for `context`, by which it is known again, and not guessed."""
        self._read_again()
        mac = blake2b(f"{context}\0{text}".encode(), digest_size=32, key=self._fingerprint_keys[self._current])
        return f"f1.{self._current}.{mac.hexdigest()}"

    def _take(self, keys: Sequence[bytes]) -> None:
        self._by_id = self._by_id | {key_id(key): AESGCM(key) for key in keys}
        self._fingerprint_keys = {
            key_id(key): blake2b(key, digest_size=KEY_BYTES, person=b"hookline-finger").digest() for key in keys
        }
        self._current = key_id(keys[0])

    def _read_again(self) -> None:
        if self._key_file is None or not self._key_file.has_changed():
            return
        try:
            self._take(self._key_file.read())
        except SettingsError as error:
            _log.error("master_key.unreadable", reason=str(error))


def webhook_context(tenant_id: str, webhook_id: str) -> str:
    """Context of a webhook's secrets."""
    return f"webhook/{tenant_id}/{webhook_id}"


def erasure_context(tenant_id: str, erasure_id: str) -> str:
    """Context of the value that an erasure looks for."""
    return f"erasure/{tenant_id}/{erasure_id}"


def load_secret_box(settings: Settings) -> SecretBox:
    """The box of this process. Raises SettingsError when no usable master key is configured."""
    if settings.master_key is not None:
        return SecretBox([_decode_key(settings.master_key.get_secret_value(), "HOOKLINE_MASTER_KEY")])
    if settings.master_key_file is not None:
        key_file = MasterKeyFile(settings.master_key_file)
        return SecretBox(key_file.read(), key_file)
    raise SettingsError("HOOKLINE_MASTER_KEY or HOOKLINE_MASTER_KEY_FILE must be set")


def new_key() -> bytes:
    """A fresh master key."""
    return secrets.token_bytes(KEY_BYTES)


def key_id(key: bytes) -> str:
    """What a ciphertext calls its key by; it tells nothing of the key."""
    return blake2b(key, digest_size=6, person=b"hookline-key-id").hexdigest()


def key_id_of(sealed: str) -> str:
    """The id of the key a ciphertext was sealed under; empty for text that is none."""
    version, _, rest = sealed.partition(".")
    return rest.partition(".")[0] if version == "v1" else ""


def create_master_key_file(path: Path) -> None:
    """Write a fresh key to `path` (mode 0600) unless it is there already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(_encode_key(new_key()))


def _decode_key(text: str, source: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise SettingsError(f"{source}: not base64url") from error


def _encode_key(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode() + "\n"


def _usable(keys: Sequence[bytes]) -> list[bytes]:
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise SettingsError(f"master key: {KEY_BYTES} bytes in base64url are needed")
    return list(keys)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
