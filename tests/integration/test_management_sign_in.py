"""Failed sign-ins: one answer for all of them, and guessers shut out nobody but themselves."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from management.passwords import Passwords
from tests.support.management import ManagementBase
from tests.support.people import PASSWORD, Browser, make_person, new_browser, signed_in, without_chance

WRONG = "not the password at all"
FAILURES_MAX = 10
ADDRESS_FAILURES_MAX = 30


def attempts(browser: Browser, slug: str, email: str, count: int, password: str = WRONG) -> list[int]:
    return [browser.sign_in(slug, email, password).status_code for _ in range(count)]


def test_every_way_to_fail_gets_the_same_answer(management_base: ManagementBase) -> None:
    _, email = make_person(management_base)
    _, inactive = make_person(management_base)
    management_base.write("UPDATE users SET is_active = false WHERE email = %s", (inactive,))
    _, without = make_person(management_base)
    management_base.write("UPDATE users SET password_hash = NULL WHERE email = %s", (without,))
    cases = [
        ("acme", email, WRONG),
        ("acme", inactive, PASSWORD),
        ("acme", without, PASSWORD),
        ("acme", "nobody@acme.example", PASSWORD),
        ("globex", email, PASSWORD),
        ("no-such-tenant", email, PASSWORD),
        ("No Tenant ' Name", email, PASSWORD),
    ]
    with new_browser(management_base) as browser:
        answers = [without_chance(browser.sign_in(*case)) for case in cases]
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)


def test_every_way_to_fail_hashes_once(management_base: ManagementBase, monkeypatch: pytest.MonkeyPatch) -> None:
    _, email = make_person(management_base)
    _, inactive = make_person(management_base)
    management_base.write("UPDATE users SET is_active = false WHERE email = %s", (inactive,))
    hashed: list[bool] = []
    verify = Passwords.verify

    def counted(self: Passwords, stored: str | None, password: str, *, reserved: bool = False) -> bool:
        hashed.append(stored is not None)
        return verify(self, stored, password, reserved=reserved)

    monkeypatch.setattr(Passwords, "verify", counted)
    with new_browser(management_base) as browser:
        for slug, name in (("acme", email), ("acme", inactive), ("acme", "nobody@x.example"), ("nowhere", email)):
            assert browser.sign_in(slug, name, WRONG).status_code == 401
    assert hashed == [True, False, False, False]


def test_a_body_that_is_no_sign_in_is_refused_with_every_problem_and_without_its_values(
    management_base: ManagementBase,
) -> None:
    with new_browser(management_base) as browser:
        answer = browser.call("POST", "/sessions", json={"tenant": "", "password": "x" * 1_025, "remember": True})
        assert answer.status_code == 400
        assert {detail["path"] for detail in answer.json()["error"]["details"]} == {
            *("tenant", "email", "password", "remember")
        }
        assert "xxxx" not in answer.text
        body = b'{"tenant": "acme", "email": "a@b", "password": "\\ud800 half a character"}'
        answer = browser.call("POST", "/sessions", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400


def test_guessers_do_not_shut_out_the_owners_browser(management_base: ManagementBase) -> None:
    _, email = make_person(management_base)
    with (
        signed_in(management_base, email) as owner,
        new_browser(management_base) as stranger,
        new_browser(management_base) as elsewhere,
        new_browser(management_base, address=owner.address) as neighbour,
    ):
        assert attempts(stranger, "acme", email, FAILURES_MAX + 2) == [*[401] * FAILURES_MAX, 429, 429]
        refused = elsewhere.sign_in("acme", email, PASSWORD)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
        assert 890 <= int(refused.headers["retry-after"]) <= 900
        for number in range(ADDRESS_FAILURES_MAX):
            assert neighbour.sign_in("globex", f"{number}@globex.example", WRONG).status_code == 401
        assert neighbour.sign_in("globex", management_base.other_tenant.admin_email).status_code == 429
        assert owner.call("DELETE", "/sessions/current").status_code == 204
        assert owner.sign_in("acme", email).status_code == 201, "the browser is known, wherever strangers failed"


def test_a_known_browser_is_blocked_by_its_own_failures_alone(management_base: ManagementBase) -> None:
    _, email = make_person(management_base)
    with signed_in(management_base, email) as owner, signed_in(management_base, email) as second:
        assert attempts(owner, "acme", email, FAILURES_MAX + 1)[-2:] == [401, 429]
        assert owner.sign_in("acme", email, PASSWORD).status_code == 429
        assert second.sign_in("acme", email).status_code == 201
        with new_browser(management_base) as stranger:
            assert stranger.sign_in("acme", email).status_code == 201, "a known browser counts for itself"


def test_a_browser_known_to_one_account_is_a_stranger_to_others(management_base: ManagementBase) -> None:
    _, attacker = make_person(management_base)
    _, victim = make_person(management_base)
    with (
        signed_in(management_base, attacker) as known,
        signed_in(management_base, victim) as owner,
        new_browser(management_base) as elsewhere,
    ):
        assert attempts(known, "acme", victim, FAILURES_MAX + 1)[-1] == 429
        assert elsewhere.sign_in("acme", victim).status_code == 429
        assert owner.sign_in("acme", victim).status_code == 201
        assert known.sign_in("acme", attacker).status_code == 201


def test_an_address_is_blocked_for_strangers_only_and_no_other_address_with_it(management_base: ManagementBase) -> None:
    _, email = make_person(management_base)
    with new_browser(management_base) as attacker, new_browser(management_base) as elsewhere:
        statuses = [
            attacker.sign_in("acme", f"{number}@acme.example", WRONG).status_code
            for number in range(ADDRESS_FAILURES_MAX + 1)
        ]
        assert statuses == [*[401] * ADDRESS_FAILURES_MAX, 429]
        assert attacker.sign_in("acme", email).status_code == 429
        near = attacker.address.removesuffix("1") + "ffff"
        with new_browser(management_base, address=near) as same_network:
            assert same_network.sign_in("acme", email).status_code == 429, "a v6 subscriber has many addresses"
        assert elsewhere.sign_in("acme", email).status_code == 201


def test_tenants_and_accounts_that_do_not_exist_are_blocked_like_those_that_do(management_base: ManagementBase) -> None:
    _, email = make_person(management_base)
    found = []
    for slug, name in (("acme", email), ("acme", f"{uuid4().hex}@acme.example"), (f"no-{uuid4().hex[:8]}", email)):
        with new_browser(management_base) as browser:
            answers = [browser.sign_in(slug, name, WRONG) for _ in range(FAILURES_MAX + 1)]
        assert answers[-1].status_code == 429
        found.append([(answer.status_code, answer.content) for answer in answers])
    assert found[0] == found[1] == found[2]


def test_attempts_at_the_same_time_are_all_counted(management_base: ManagementBase) -> None:
    _, email = make_person(management_base)

    def attempt(_: int) -> int:
        with new_browser(management_base) as browser:
            return browser.sign_in("acme", email, WRONG).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(attempt, range(FAILURES_MAX * 3)))
    assert statuses.count(401) == FAILURES_MAX
    assert statuses.count(429) == FAILURES_MAX * 2


def test_right_passwords_are_not_counted_and_a_block_ends(management_base: ManagementBase) -> None:
    _, email = make_person(management_base)
    for _ in range(FAILURES_MAX + 2):
        with signed_in(management_base, email):
            pass
    with new_browser(management_base) as browser:
        assert attempts(browser, "acme", email, FAILURES_MAX + 1)[-1] == 429
        management_base.write(
            "UPDATE sign_in_failures SET blocked_until = now() - interval '1 second' WHERE blocked_until IS NOT NULL"
        )
        assert attempts(browser, "acme", email, FAILURES_MAX + 1)[-2:] == [401, 429], "and begins anew"


def test_failures_of_long_ago_count_no_more_and_are_deleted(management_base: ManagementBase) -> None:
    _, email = make_person(management_base)
    with new_browser(management_base) as browser:
        assert attempts(browser, "acme", email, FAILURES_MAX) == [401] * FAILURES_MAX
        assert attempts(browser, "acme", "stale@acme.example", 1) == [401]
        management_base.write("UPDATE sign_in_failures SET window_started_at = now() - interval '31 minutes'")
        before = management_base.rows("SELECT count(*) AS count FROM sign_in_failures")[0]["count"]
        assert before >= 3
        assert browser.sign_in("acme", email).status_code == 201
        after = management_base.rows("SELECT count(*) AS count FROM sign_in_failures")[0]["count"]
        assert after < before


@pytest.mark.parametrize("cookie", ["", "v1.x.y", "v1." + "a" * 600, "é", "v1..", "."])
def test_a_made_up_browser_cookie_makes_nobody_known(management_base: ManagementBase, cookie: str) -> None:
    _, email = make_person(management_base)
    with new_browser(management_base) as browser:
        headers = {"Cookie": f"hookline_browser={cookie}"}
        statuses = [browser.sign_in("acme", email, WRONG, **headers).status_code for _ in range(FAILURES_MAX + 1)]
        assert statuses == [*[401] * FAILURES_MAX, 429]
        with new_browser(management_base) as elsewhere:
            assert elsewhere.sign_in("acme", email).status_code == 429, "they counted as a stranger's"


def test_what_is_logged_of_a_failure_holds_nothing_that_was_typed(
    management_base: ManagementBase, whole_log: Callable[[], str]
) -> None:
    _, email = make_person(management_base)
    with new_browser(management_base) as browser:
        assert browser.sign_in("acme", email, WRONG).status_code == 401
        assert browser.sign_in("acme", "my password typed here", WRONG).status_code == 401
        assert browser.sign_in("acme", email, PASSWORD).status_code == 201
    text = whole_log()
    assert "management.sign_in.refused" in text
    assert not [secret for secret in (WRONG, PASSWORD, email, "typed here") if secret in text]
