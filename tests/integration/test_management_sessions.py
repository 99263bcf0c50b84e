"""Sessions and CSRF: what a browser gets, and what other sites do not."""

from __future__ import annotations

import hashlib
import re
from uuid import UUID, uuid4

import pytest

from management.passwords import Passwords
from tests.support.management import ManagementBase, bearer
from tests.support.people import PASSWORD, make_person, make_role, new_browser, signed_in, without_chance


@pytest.fixture
def person(management_base: ManagementBase) -> tuple[UUID, str]:
    """Somebody of the first tenant who may read users."""
    return make_person(management_base, make_role(management_base, "user:read"))


def test_signing_in_tells_who_one_is_and_sets_cookies_that_pages_cannot_read(
    management_base: ManagementBase, person: tuple[UUID, str]
) -> None:
    user_id, email = person
    with new_browser(management_base) as browser:
        answer = browser.sign_in("acme", email.upper())
        shown = answer.json()
        assert (shown["user"]["id"], shown["tenant"]["slug"], shown["is_admin"]) == (str(user_id), "acme", False)
        assert shown["permissions"] == ["user:read"]
        cookies = answer.headers.get_list("set-cookie")
        [session] = [cookie for cookie in cookies if cookie.startswith("hookline_session=")]
        [known] = [cookie for cookie in cookies if cookie.startswith("hookline_browser=")]
        for cookie, path in ((session, "Path=/;"), (known, "Path=/api/v1/sessions;")):
            assert "HttpOnly" in cookie
            assert "SameSite=strict" in cookie
            assert path in f"{cookie};"
            assert "Secure" not in cookie, "over plain HTTP on this machine a browser would not send it back"
        assert browser.call("GET", "/sessions/current").json() == shown
        assert answer.headers["cache-control"] == "no-store"


def test_cookies_are_for_https_only_unless_the_api_is_on_this_machine_alone(management_base: ManagementBase) -> None:
    from management.people import secure_cookies

    settings = management_base.settings.management
    for host, expected in (("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True)):  # noqa: S104
        assert secure_cookies(settings.model_copy(update={"host": host})) is expected
    assert secure_cookies(settings.model_copy(update={"session_cookie_secure": True})) is True


def test_only_hashes_of_password_and_token_are_stored(
    management_base: ManagementBase, person: tuple[UUID, str]
) -> None:
    user_id, email = person
    with signed_in(management_base, email) as browser:
        token = browser.session_cookie
        [row] = management_base.rows("SELECT * FROM sessions WHERE user_id = %s", (user_id,))
        assert bytes(row["token_hash"]) == hashlib.sha256(token.encode()).digest()
        [user] = management_base.rows("SELECT * FROM users WHERE id = %s", (user_id,))
        assert user["password_hash"].startswith("$argon2id$")
        assert user["last_login_at"] is not None
        secrets = [token, PASSWORD, browser.csrf_token, browser.client.cookies["hookline_browser"]]
        for table in ("sessions", "users", "audit_entries", "sign_in_failures"):
            text = str(management_base.rows(f"SELECT t::text AS row FROM {table} t"))  # noqa: S608
            assert not [secret for secret in secrets if secret in text]


def test_a_session_ends_when_it_is_not_used_or_too_old_or_signed_out(
    management_base: ManagementBase, person: tuple[UUID, str]
) -> None:
    user_id, email = person
    for change in ("last_seen_at = now() - interval '8 hours'", "expires_at = now()"):
        with signed_in(management_base, email) as browser:
            assert browser.call("GET", "/users").status_code == 200
            management_base.write(f"UPDATE sessions SET {change} WHERE user_id = %s", (user_id,))  # noqa: S608
            assert browser.call("GET", "/users").status_code == 401
    with signed_in(management_base, email) as browser:
        cookie = browser.session_cookie
        ended = browser.call("DELETE", "/sessions/current")
        assert ended.status_code == 204
        assert "hookline_session" not in browser.client.cookies
        browser.client.cookies.set("hookline_session", cookie)
        assert browser.call("GET", "/users").status_code == 401
    actions = management_base.rows(
        "SELECT action FROM audit_entries WHERE actor ->> 'id' = %s ORDER BY id", (str(user_id),)
    )
    assert [row["action"] for row in actions] == [*["session.created"] * 3, "session.ended"]


def test_use_keeps_a_session_open(management_base: ManagementBase, person: tuple[UUID, str]) -> None:
    user_id, email = person
    with signed_in(management_base, email) as browser:
        management_base.write(
            "UPDATE sessions SET last_seen_at = now() - interval '2 hours' WHERE user_id = %s", (user_id,)
        )
        assert browser.call("GET", "/users").status_code == 200
        [row] = management_base.rows(
            "SELECT now() - last_seen_at < interval '1 minute' AS fresh FROM sessions WHERE user_id = %s", (user_id,)
        )
        assert row["fresh"]


def test_own_sessions_are_listed_and_ended_and_others_are_not(
    management_base: ManagementBase, person: tuple[UUID, str]
) -> None:
    _, other_email = make_person(management_base)
    with (
        signed_in(management_base, person[1]) as first,
        signed_in(management_base, person[1]) as second,
        signed_in(management_base, other_email) as other,
    ):
        listed = second.call("GET", "/sessions").json()
        assert [entry["is_current"] for entry in listed["data"]] == [True, False]
        assert listed["meta"]["total"] == 2
        assert {entry["source_ip"] for entry in listed["data"]} == {first.address, second.address}
        first_id = listed["data"][1]["id"]
        assert other.call("DELETE", f"/sessions/{first_id}").status_code == 404
        assert second.call("DELETE", f"/sessions/{first_id}").status_code == 204
        assert first.call("GET", "/sessions/current").status_code == 401
        assert second.call("GET", "/sessions/current").status_code == 200
        assert second.call("DELETE", f"/sessions/{first_id}").status_code == 404


def test_signing_in_again_replaces_the_session_of_that_browser_and_the_number_is_bounded(
    management_base: ManagementBase, person: tuple[UUID, str]
) -> None:
    user_id, email = person
    count = "SELECT count(*) AS count FROM sessions WHERE user_id = %s"
    with signed_in(management_base, email) as browser:
        old = browser.session_cookie
        assert browser.sign_in("acme", email).status_code == 201
        assert browser.session_cookie != old
        assert management_base.rows(count, (user_id,)) == [{"count": 1}]
        for _ in range(management_base.settings.management.user_sessions_max + 2):
            browser.client.cookies.delete("hookline_session")
            assert browser.sign_in("acme", email).status_code == 201
        assert browser.call("GET", "/sessions/current").status_code == 200
    assert management_base.rows(count, (user_id,)) == [{"count": 20}]


@pytest.mark.parametrize("cookie", ["", "x", "z" * 43, "z" * 5_000, "é"])
def test_a_cookie_that_is_no_session_gets_the_same_answer_as_none(management_base: ManagementBase, cookie: str) -> None:
    with new_browser(management_base) as browser:
        without = browser.call("GET", "/users")
        answer = browser.call("GET", "/users", headers={"Cookie": f"hookline_session={cookie}"})
    assert without_chance(answer) == without_chance(without)
    assert answer.status_code == 401


def test_a_change_by_cookie_needs_the_sessions_own_csrf_token(
    management_base: ManagementBase, person: tuple[UUID, str]
) -> None:
    with signed_in(management_base, person[1]) as browser, signed_in(management_base, person[1]) as other:
        for token in ("", "x", other.csrf_token, browser.csrf_token[:-1], browser.session_cookie, "é"):
            answer = browser.call("DELETE", "/sessions/current", headers={"X-CSRF-Token": token})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
            assert "X-CSRF-Token" in answer.json()["error"]["message"]
        assert browser.call("GET", "/sessions/current", headers={"X-CSRF-Token": ""}).status_code == 200
        assert browser.call("DELETE", "/sessions/current").status_code == 204


def test_a_request_of_another_site_is_refused(management_base: ManagementBase, person: tuple[UUID, str]) -> None:
    host = management_base.api.base_url.netloc.decode()
    foreign = [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": f"http://{host}"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://{host}.evil.example"},
    ]
    own = [{"Origin": f"http://{host}"}, {"Sec-Fetch-Site": "same-origin", "Origin": "https://console.example"}, {}]
    with signed_in(management_base, person[1]) as browser:
        for headers in foreign:
            for answer in (
                browser.call("DELETE", f"/sessions/{uuid4()}", headers=headers),
                browser.sign_in("acme", person[1], PASSWORD, **headers),
            ):
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), headers
        for headers in own:
            assert browser.call("DELETE", f"/sessions/{uuid4()}", headers=headers).status_code == 404


def test_where_a_key_and_a_cookie_come_together_the_key_counts(
    management_base: ManagementBase, person: tuple[UUID, str]
) -> None:
    with signed_in(management_base, person[1]) as browser:
        key = bearer(management_base.new_key("role:read"))
        assert browser.call("GET", "/roles", headers=key).status_code == 200
        assert browser.call("GET", "/users", headers=key).status_code == 403
        assert browser.call("GET", "/users", headers=bearer("ixk_" + "0" * 43)).status_code == 401


def test_an_api_key_has_no_session_of_the_person_it_is_of(
    management_base: ManagementBase, person: tuple[UUID, str]
) -> None:
    key = bearer(management_base.new_key("*", user_id=person[0]))
    with signed_in(management_base, person[1]) as browser:
        session_id = browser.call("GET", "/sessions/current").json()["id"]
        for method, path in (("GET", "/sessions"), ("GET", "/sessions/current"), ("DELETE", f"/sessions/{session_id}")):
            assert management_base.call(method, path, headers=key).status_code == 403
        assert browser.call("GET", "/sessions/current").status_code == 200


def test_what_a_user_may_do_is_asked_anew_at_every_request(management_base: ManagementBase) -> None:
    role_id = make_role(management_base, "user:read")
    user_id, email = make_person(management_base, role_id)
    with signed_in(management_base, email) as browser:
        assert browser.call("GET", "/users").status_code == 200
        management_base.write("UPDATE roles SET permissions = '{}' WHERE id = %s", (role_id,))
        assert browser.call("GET", "/users").status_code == 403
        management_base.write("UPDATE users SET is_active = false WHERE id = %s", (user_id,))
        assert browser.call("GET", "/users").status_code == 401


def test_a_hash_with_other_parameters_is_renewed_by_the_next_sign_in(management_base: ManagementBase) -> None:
    user_id, email = make_person(management_base)
    older = management_base.settings.management.model_copy(update={"password_iterations": 2})
    management_base.write(
        "UPDATE users SET password_hash = %s WHERE id = %s", (Passwords(older).hash(PASSWORD), user_id)
    )
    with signed_in(management_base, email), signed_in(management_base, email):
        [row] = management_base.rows("SELECT password_hash FROM users WHERE id = %s", (user_id,))
        assert re.search(r"m=64,t=1,p=1", row["password_hash"])
