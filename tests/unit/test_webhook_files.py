"""Webhooks in files: what is read, what differs, what is sent, and that no secret stands in a file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hookline.errors import UsageError
from hookline.webhook_files import (
    completed,
    declaration_of,
    plan,
    read_webhook_file,
    with_secrets,
    without_secrets,
)

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
    "filters": None,
    "priority": 1,
}


def written(folder: Path, content: object) -> Path:
    path = folder / "webhooks.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("webhooks: [", "is not YAML"),
        ({"webhook": []}, "one member `webhooks`"),
        ({"webhooks": {}}, "one member `webhooks`"),
        ({"webhooks": [{"name": "x"}]}, "webhooks.0 needs a slug"),
        ({"webhooks": [{"slug": "a"}, {"slug": "a"}]}, "webhooks.1: slug a stands twice"),
        ({"webhooks": [{"slug": "a", "id": "1", "version": 2}]}, "webhooks.0: id, version cannot be set"),
    ],
)
def test_an_unusable_file_is_refused_with_its_place(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_webhook_file(written(tmp_path, content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml: No such file"):
        read_webhook_file(tmp_path / "nowhere.yaml")


def test_what_get_shows_is_a_declaration_without_differences() -> None:
    declared = yaml.safe_load(yaml.safe_dump(declaration_of(SHOWN)))
    [step] = plan([declared], {"rmm": SHOWN}, prune=False)
    assert (step.kind, step.differences) == ("none", ())


def test_only_mentioned_members_are_compared_and_fields_as_a_whole() -> None:
    declared = {
        "slug": "rmm",
        "priority": 3,
        "auth_config": {"encoding": "base64"},
        "handler_config": {"field_mapping": {"title": "a"}},
    }
    [step] = plan([declared], {"rmm": SHOWN}, prune=False)
    assert [tuple(difference) for difference in step.differences] == [
        ("priority", 1, 3),
        ("auth_config.encoding", "hex", "base64"),
        ("handler_config.field_mapping", {"title": "a", "client_id": "b"}, {"title": "a"}),
    ]
    sent = completed(declared, SHOWN)
    assert sent["auth_config"] == {**SHOWN["auth_config"], "encoding": "base64"}
    assert sent["handler_config"] == {**SHOWN["handler_config"], "field_mapping": {"title": "a"}}


def test_another_kind_of_part_takes_nothing_over() -> None:
    bearer = {"slug": "rmm", "auth_type": "bearer", "auth_config": {"ip_cidrs": ["192.0.2.0/24"]}}
    assert completed(bearer, SHOWN)["auth_config"] == {"ip_cidrs": ["192.0.2.0/24"]}
    other = {"slug": "rmm", "handler_config": {"action": "other", "field_mapping": {}}}
    assert completed(other, SHOWN)["handler_config"] == {"action": "other", "field_mapping": {}}


def test_the_plan_creates_in_order_and_deletes_last_only_when_asked() -> None:
    declared = [{"slug": "new-b"}, {"slug": "new-a"}]
    assert [(s.kind, s.slug) for s in plan(declared, {"rmm": SHOWN}, prune=True)] == [
        ("create", "new-b"),
        ("create", "new-a"),
        ("delete", "rmm"),
    ]
    assert [s.kind for s in plan(declared, {"rmm": SHOWN}, prune=False)] == ["create", "create"]


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMM_SECRET", "from the environment")
    (tmp_path / "secret.txt").write_text("from a file\n")
    for source, value in (({"env": "RMM_SECRET"}, "from the environment"), ({"file": "secret.txt"}, "from a file")):
        declared = {"slug": "rmm", "auth_config": {"signature_header": "X-S", "secret": source}}
        assert with_secrets(declared, tmp_path)["auth_config"] == {"signature_header": "X-S", "secret": value}
        assert without_secrets(declared)["auth_config"] == {"signature_header": "X-S"}


@pytest.mark.parametrize("source", ["plain text", {"env": "NOT_THERE_AT_ALL"}, {"file": "no.txt"}, {"vault": "x"}, 7])
def test_a_secret_in_the_file_itself_or_nowhere_is_refused_without_showing_it(tmp_path: Path, source: object) -> None:
    declared = {"slug": "rmm", "auth_config": {"token": source}}
    with pytest.raises(UsageError, match=r"rmm: auth_config\.token") as refusal:
        with_secrets(declared, tmp_path)
    assert "plain text" not in str(refusal.value)
