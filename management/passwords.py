"""Passwords: what they must be, and their argon2id hashes, of which only so many are made at the same time."""

import secrets
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from infra.settings import ManagementSettings
from management.errors import UnavailableError

LENGTH_MIN = 12
LENGTH_MAX = 1_024
_GENERATED_BYTES = 18
_LANES = 1  # a hash keeps one core busy, so that others can work
_WAIT_SECONDS_MAX = 10.0
_RETRY_AFTER_SECONDS = "2"


def password_problem(password: str, *names: str) -> str | None:
    """Why a password is refused; None when it is not. `names` are the user's own, which anybody may know."""
    if len(password) < LENGTH_MIN:
        return f"a password needs at least {LENGTH_MIN} characters"
    if len(password) > LENGTH_MAX:
        return f"a password has at most {LENGTH_MAX:,} characters"
    if password.strip().lower() in {name.strip().lower() for name in names}:
        return "a password must not be the user's own e-mail address or user name"
    return None


def generate_password() -> str:
    """A random one, 24 characters."""
    return secrets.token_urlsafe(_GENERATED_BYTES)


class Passwords:
    """Makes and checks hashes. Each takes memory and processor time, so there are two queues of bounded length.

    `reserved` calls have a queue of their own, one at a time: strangers who fill the other do not keep a known browser
    out. Both raise UnavailableError when their queue is full.
    """

    def __init__(self, settings: ManagementSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.password_iterations,
            memory_cost=settings.password_memory_kibibytes,
            parallelism=_LANES,
            type=Type.ID,
        )
        self._dummy = _hash_of_nothing(self._hasher)
        self._open = _Queue(settings.password_hashes_in_flight_max, settings.password_waiting_hashes_max)
        self._reserved = _Queue(1, settings.password_waiting_hashes_max)

    def hash(self, password: str) -> str:
        """What is stored of a password."""
        with self._open.turn():
            return self._hasher.hash(password)

    def verify(self, stored: str | None, password: str, *, reserved: bool = False) -> bool:
        """Whether it is the password. Without a stored hash the answer is no, after the same work."""
        with (self._reserved if reserved else self._open).turn():
            try:
                return self._hasher.verify(stored or self._dummy, password) and stored is not None
            except (VerificationError, InvalidHashError):
                return False

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than those of now."""
        return self._hasher.check_needs_rehash(stored)


class _Queue:
    """`at_once` work, `waiting_max` wait, the others are sent away."""

    def __init__(self, at_once: int, waiting_max: int) -> None:
        self._working = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(at_once + waiting_max)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold it while working. Raises UnavailableError."""
        if not self._places.acquire(blocking=False):
            raise _too_busy()
        try:
            if not self._working.acquire(timeout=_WAIT_SECONDS_MAX):
                raise _too_busy()
            try:
                yield
            finally:
                self._working.release()
        finally:
            self._places.release()


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """Looks like any hash of `hasher`, so that comparing with it is the same work; no password is known to have it."""
    salt, digest = (
        b64encode(secrets.token_bytes(length)).decode().rstrip("=") for length in (hasher.salt_len, hasher.hash_len)
    )
    return f"$argon2id$v=19$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}${salt}${digest}"


def _too_busy() -> UnavailableError:
    return UnavailableError(
        "too many passwords are being checked at once, try again", headers={"Retry-After": _RETRY_AFTER_SECONDS}
    )
