"""Webhooks in files: what is read, what differs, what is sent, and that no secret stands in a file."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.errors import UsageError
from hookline.webhook_files.declarations import Declaration, declaration_of, read_webhook_files
from hookline.webhook_files.documents import read_yaml, yaml_text
from hookline.webhook_files.steps import Step, body_of, plan

SHOWN: dict[str, Any] = {
    "id": "01980000-0000-7000-8000-000000000001",
    "version": 3,
    "slug": "rmm",
    "name": "RMM",
    "is_active": True,
    "auth_type": "hmac_sha256",
    "auth_config": {"type": "hmac_sha256", "signature_header": "X-Signature", "encoding": "hex", "ip_cidrs": []},
    "handler_type": "direct_action",
    "handler_config": {
        "type": "direct_action",
        "action": "createTicket",
        "field_mapping": {"title": "a", "client_id": "b"},
        "on_existing": "fail",
    },
    "validation": {"mode": "warn", "event_type": "alert.raised", "event_version": 2},
    "filters": None,
    "priority": 1,
    "created_at": "2026-01-01T00:00:00.000Z",
}


def written(folder: Path, content: object, name: str = "webhooks.yaml") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml_text(content))
    return path


def declare(**members: Any) -> Declaration:
    return Declaration("rmm", {"slug": "rmm", **members}, Path())


def step_of(*, set_secrets: bool = False, **members: Any) -> Step:
    """What is to be done where SHOWN is in force."""
    [step] = plan([declare(**members)], {"rmm": SHOWN}, prune=False, set_secrets=set_secrets)
    return step


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("webhooks: [", "is not YAML"),
        ("webhooks: [{slug: a, name: x, name: y}]", "name stands twice"),
        ("webhooks: [{slug: a, metadata: {1: x}}]", "a name must be text: put it in quotes"),
        ("webhooks: &again [*again]", "holds what JSON cannot say"),
        ("webhooks: [{slug: a, priority: !!float .inf}]", "holds what JSON cannot say"),
        ("webhooks: [{slug: a, description: !!timestamp 2026-01-01}]", "holds what JSON cannot say"),
        ({"webhook": []}, "one member `webhooks`"),
        ({"webhooks": {}}, "one member `webhooks`"),
        ({"webhooks": [{"name": "x"}]}, "webhooks.0 needs a slug"),
        ({"webhooks": [{"slug": 7}]}, "webhooks.0 needs a slug"),
        ({"webhooks": [{"slug": "a"}, {"slug": "a"}]}, "slug a stands twice"),
        ({"webhooks": [{"slug": "a", "id": "1", "created_at": "x"}]}, "webhooks.0: created_at, id cannot be set"),
    ],
)
def test_an_unusable_file_is_refused_with_its_place(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        read_webhook_files([written(tmp_path, content)])
    assert "webhooks.yaml" in str(refusal.value)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml: No such file"):
        read_webhook_files([tmp_path / "nowhere.yaml"])
    (tmp_path / "latin.yaml").write_bytes(b"webhooks: [{slug: a, name: \xe9}]")
    with pytest.raises(UsageError, match=r"latin\.yaml is not UTF-8"):
        read_webhook_files([tmp_path / "latin.yaml"])


def test_several_files_and_folders_are_read_and_a_slug_stands_once_in_all_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "webhooks"
    folder.mkdir()
    with pytest.raises(UsageError, match="holds no file that ends with"):
        read_webhook_files([folder])
    for name, slug in (("b.yml", "b"), ("a.yaml", "a"), ("notes.txt", "c")):
        written(folder, {"webhooks": [{"slug": slug}]}, name)
    single = written(tmp_path, {"webhooks": [{"slug": "d"}]})
    assert [found.slug for found in read_webhook_files([single, folder])] == ["d", "a", "b"]
    written(folder, {"webhooks": [{"slug": "d"}]}, "z.yaml")
    with pytest.raises(UsageError, match=r"z\.yaml: slug d stands twice, also in .*webhooks\.yaml"):
        read_webhook_files([single, folder])


def test_what_other_yaml_takes_for_dates_times_and_answers_is_text(tmp_path: Path) -> None:
    text = "{country: NO, switch: on, day: 2026-01-01, time: 12:30, version: 1.10, code: 017, yes: y, at: .inf}"
    read = read_yaml(written(tmp_path, text))
    assert read.pop("version") == 1.1
    assert read == {
        **{"country": "NO", "switch": "on", "day": "2026-01-01", "time": "12:30", "code": "017", "yes": "y"},
        "at": ".inf",
    }


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(JSON_VALUES)
def test_whatever_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "round.yaml"
    path.write_bytes(yaml_text({"value": value}).encode("utf-8"))
    read = read_yaml(path)["value"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "1e3",
        "12:30",
        "2026-01-01",
        "0x1f",
        "null",
        "~",
        "",
        " a ",
        "a\n\n b\n",
        "\x85",
        "a\u2028\nb",
        " " + 90 * "x",
        90 * "# ",
        "=",
        "<<",
    ],
)
def test_text_that_yaml_could_take_for_something_else_stays_text(tmp_path: Path, text: str) -> None:
    assert read_yaml(written(tmp_path, {"value": text, text: "name"})) == {"value": text, text: "name"}


def test_what_get_shows_is_a_declaration_without_differences(tmp_path: Path) -> None:
    [declaration] = read_webhook_files([written(tmp_path, {"webhooks": [declaration_of(SHOWN)]})])
    assert declaration.members["version"] == 3
    assert "filters" in declaration.members
    [step] = plan([declaration], {"rmm": SHOWN}, prune=True, set_secrets=True)
    assert (step.kind, step.differences) == ("none", ())


def test_only_mentioned_members_are_compared_and_fields_as_a_whole() -> None:
    step = step_of(
        priority=3, auth_config={"encoding": "base64"}, handler_config={"field_mapping": {"title": "c"}}, filters=None
    )
    assert step.kind == "update"
    assert [tuple(difference) for difference in step.differences] == [
        ("priority", 1, 3),
        ("auth_config.encoding", "hex", "base64"),
        ("handler_config.field_mapping.title", "a", "c"),
        ("handler_config.field_mapping.client_id", "b", None),
    ]
    assert body_of(step) == {
        "slug": "rmm",
        "name": "RMM",
        "auth_type": "hmac_sha256",
        "auth_config": {"encoding": "base64"},
        "handler_type": "direct_action",
        "handler_config": {"field_mapping": {"title": "c"}},
        "filters": None,
        "priority": 3,
    }


def test_null_is_the_same_as_nothing_for_an_option_and_not_elsewhere() -> None:
    assert step_of(handler_config={"external_ids_of": None}).kind == "none"
    assert step_of(colour=None).kind == "update"
    assert step_of(is_active=1).kind == "update", "1 is not true"
    assert step_of(priority=1.0).kind == "none", "1 is 1.0"
    assert step_of(auth_config={"token_header": None}).kind == "update"


def test_a_type_in_a_part_or_beside_it_is_the_one_that_is_sent() -> None:
    assert body_of(step_of(auth_config={"type": "bearer"}))["auth_type"] == "bearer"
    assert body_of(step_of(auth_type="bearer"))["auth_config"] == {}
    assert body_of(step_of(priority=2))["auth_type"] == "hmac_sha256"


def test_the_version_of_an_event_type_moves_only_when_it_is_declared() -> None:
    loose = {"mode": "warn", "event_type": "alert.raised"}
    assert step_of(validation=loose).kind == "none"
    assert step_of(validation={**loose, "event_version": None}).kind == "none"
    changed = step_of(validation={**loose, "mode": "reject", "event_version": None})
    assert [difference.path for difference in changed.differences] == ["validation.mode"]
    assert body_of(changed)["validation"] == {"mode": "reject", "event_type": "alert.raised", "event_version": 2}
    other = step_of(validation={**loose, "event_type": "alert.cleared"})
    assert body_of(other)["validation"] == {"mode": "warn", "event_type": "alert.cleared"}


def test_a_file_of_another_version_is_refused_where_it_would_change_anything() -> None:
    refused = step_of(version=2, priority=3)
    assert refused.kind == "refused"
    assert "the file is of version 2, and it is version 3 by now" in str(refused.problem)
    assert step_of(version=2, priority=1).kind == "none"
    current = step_of(version=3, priority=3)
    assert (current.kind, [difference.path for difference in current.differences]) == ("update", ["priority"])
    assert "version" not in body_of(current)
    [new] = plan([declare(version=9)], {}, prune=False, set_secrets=False)
    assert (new.kind, body_of(new)) == ("create", {"slug": "rmm"})


def test_the_plan_creates_in_order_and_deletes_last_only_when_asked() -> None:
    declared = [Declaration(slug, {"slug": slug}, Path()) for slug in ("new-b", "new-a")]
    leaning = {**SHOWN, "handler_config": {**SHOWN["handler_config"], "external_ids_of": SHOWN["id"]}}
    in_force = {"rmm": SHOWN, "z-leans-on-rmm": leaning, "a": SHOWN}
    assert [(s.kind, s.slug) for s in plan(declared, in_force, prune=True, set_secrets=False)] == [
        ("create", "new-b"),
        ("create", "new-a"),
        ("delete", "z-leans-on-rmm"),
        ("delete", "a"),
        ("delete", "rmm"),
    ]
    assert [s.kind for s in plan(declared, in_force, prune=False, set_secrets=False)] == ["create", "create"]


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMM_SECRET", "from the environment")
    (tmp_path / "secret.txt").write_text("from a file\n")
    for source, value in (({"env": "RMM_SECRET"}, "from the environment"), ({"file": "secret.txt"}, "from a file")):
        content = {"webhooks": [{"slug": "rmm", "auth_config": {"signature_header": "X-Signature", "secret": source}}]}
        declared = read_webhook_files([written(tmp_path, content)])
        [new] = plan(declared, {}, prune=False, set_secrets=False)
        assert body_of(new)["auth_config"] == {"signature_header": "X-Signature", "secret": value}
        [there] = plan(declared, {"rmm": SHOWN}, prune=False, set_secrets=False)
        assert (there.kind, there.sets_secret) == ("none", False)
        [set_anew] = plan(declared, {"rmm": SHOWN}, prune=False, set_secrets=True)
        assert (set_anew.kind, set_anew.differences) == ("update", ())
        assert body_of(set_anew)["auth_config"] == {"signature_header": "X-Signature", "secret": value}


def test_a_webhook_with_another_scheme_takes_the_secret_that_is_declared_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RMM_TOKEN", "a token of the sender")
    step = step_of(auth_type="bearer", auth_config={"token": {"env": "RMM_TOKEN"}})
    assert step.sets_secret
    assert body_of(step)["auth_config"] == {"token": "a token of the sender"}


def test_a_secret_that_the_scheme_has_not_is_refused_not_dropped() -> None:
    step = step_of(auth_config={"token": {"env": "RMM_TOKEN"}})
    assert (step.kind, step.problem) == ("refused", "auth_config.token: hmac_sha256 has no such member")


@pytest.mark.parametrize("source", ["plain text", {"vault": "x"}, 7, None, {"env": 1}, {"env": "A", "file": "B"}])
def test_a_secret_in_the_file_itself_is_refused_without_showing_it(tmp_path: Path, source: object) -> None:
    content = {"webhooks": [{"slug": "rmm", "auth_config": {"token": source}}]}
    with pytest.raises(UsageError, match=r"webhooks\.0\.auth_config\.token: a secret does not stand") as refusal:
        read_webhook_files([written(tmp_path, content)])
    assert "plain text" not in str(refusal.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"env": "NOT_THERE_AT_ALL"}, "the environment has no NOT_THERE_AT_ALL"),
        ({"file": "no.txt"}, r"no\.txt: No such file"),
        ({"file": "binary"}, "binary is not UTF-8"),
    ],
)
def test_a_secret_that_is_not_where_it_should_be_is_named(tmp_path: Path, source: object, words: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    declared = Declaration("rmm", {"slug": "rmm", "auth_config": {"secret": source}}, tmp_path)
    [step] = plan([declared], {}, prune=False, set_secrets=False)
    with pytest.raises(UsageError, match=f"rmm: auth_config.secret: {words}"):
        body_of(step)
