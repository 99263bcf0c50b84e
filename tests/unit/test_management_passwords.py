"""Passwords: what is refused, what a hash says, and that checking them has an end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2.exceptions import VerifyMismatchError

from infra.settings import ManagementSettings
from management.errors import UnavailableError
from management.passwords import Passwords, generate_password, password_problem
from tests.support.wait import eventually

CHEAP = ManagementSettings(password_memory_kibibytes=64, password_iterations=1)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short", "at least 12 characters"),
        ("ü" * 11, "at least 12 characters"),
        ("x" * 1_025, "at most 1,024 characters"),
        ("Ada@Acme.Example", "must not be the user's own"),
        (" ada@acme.example ", "must not be the user's own"),
        ("ada.the.admin", "must not be the user's own"),
    ],
)
def test_a_password_that_is_refused_says_why(password: str, said: str) -> None:
    problem = password_problem(password, "ada@acme.example", "ada.the.admin")
    assert problem is not None
    assert said in problem
    assert password not in problem


@pytest.mark.parametrize("password", ["x" * 12, "x" * 1_024, "ü" * 12, "            ", "ada@acme.example!"])
def test_other_passwords_are_taken_as_they_are(password: str) -> None:
    assert password_problem(password, "ada@acme.example", "ada") is None


def test_a_generated_password_is_taken_and_never_the_same() -> None:
    made = {generate_password() for _ in range(100)}
    assert len(made) == 100
    assert not [password for password in made if password_problem(password) or len(password) != 24]


def test_a_hash_is_argon2id_with_the_settings_and_tells_right_from_wrong() -> None:
    passwords = Passwords(CHEAP)
    hashed = passwords.hash("correct horse battery")
    assert hashed.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert passwords.hash("correct horse battery") != hashed
    assert passwords.verify(hashed, "correct horse battery")
    for wrong in ("correct horse batterz", "", "correct horse battery ", "x" * 1_024):
        assert not passwords.verify(hashed, wrong)
    assert not passwords.verify(None, "correct horse battery")
    assert not passwords.verify("$argon2id$damaged", "correct horse battery")


def test_a_hash_is_outdated_when_the_settings_changed() -> None:
    passwords = Passwords(CHEAP)
    assert not passwords.is_outdated(passwords.hash("correct horse battery"))
    other = Passwords(CHEAP.model_copy(update={"password_iterations": 2}))
    assert passwords.is_outdated(other.hash("correct horse battery"))
    assert passwords.verify(other.hash("correct horse battery"), "correct horse battery")


def test_without_a_hash_the_work_is_that_of_any_hash() -> None:
    passwords = Passwords(CHEAP)
    assert not passwords.is_outdated(passwords._dummy)
    with pytest.raises(VerifyMismatchError):  # not InvalidHashError, which would come without the work
        passwords._hasher.verify(passwords._dummy, "correct horse battery")


def test_more_than_may_wait_are_sent_away_and_known_browsers_have_a_queue_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = CHEAP.model_copy(update={"password_hashes_in_flight_max": 2, "password_waiting_hashes_max": 1})
    passwords = Passwords(settings)
    hasher = passwords._hasher
    stored = passwords.hash("correct horse battery")
    entered, release = threading.Semaphore(0), threading.Event()
    at_once: list[int] = []

    class SlowHasher:
        working = 0

        def verify(self, _stored: str, password: str) -> bool:
            if password == "quick":
                return True
            self.working += 1
            at_once.append(self.working)
            entered.release()
            assert release.wait(30)
            self.working -= 1
            return True

    monkeypatch.setattr(passwords, "_hasher", SlowHasher())
    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(passwords.verify, stored, "slow") for _ in range(2)]
        assert entered.acquire(timeout=30)
        assert entered.acquire(timeout=30)
        working.append(pool.submit(passwords.verify, stored, "slow"))
        # Looked at, not tried: a place that is taken for a moment would be one that the third does not get.
        eventually(lambda: passwords._open._places._value == 0, timeout_seconds=30, what="the third to wait")
        with pytest.raises(UnavailableError, match="too many passwords"):
            passwords.verify(stored, "quick")
        assert passwords.verify(stored, "quick", reserved=True)
        release.set()
        assert all(future.result(30) for future in working)
    assert max(at_once) == 2
    monkeypatch.setattr(passwords, "_hasher", hasher)
    assert passwords.verify(stored, "correct horse battery")
