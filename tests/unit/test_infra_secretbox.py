"""Secrets at rest: sealed under a named master key, bound to their webhook, never shown."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import SecretError, SettingsError
from infra.secretbox import (
    KEY_BYTES,
    MasterKeyFile,
    SecretBox,
    create_master_key_file,
    key_id,
    key_id_of,
    load_secret_box,
    webhook_context,
)
from infra.settings import Settings

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
CONTEXT = webhook_context("tenant", "webhook")


def _text(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode()


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_what_is_sealed_opens_again(secret: str) -> None:
    box = SecretBox([NEW])
    assert box.open(box.seal(secret, context=CONTEXT), context=CONTEXT) == secret


def test_a_ciphertext_holds_neither_the_secret_nor_repeats_itself() -> None:
    box = SecretBox([NEW])
    first, second = (box.seal("very-secret-value", context=CONTEXT) for _ in range(2))
    assert first != second
    assert b"very-secret-value" not in base64.urlsafe_b64decode(first.rsplit(".", 1)[1])


def test_a_secret_sealed_under_the_old_key_opens_after_a_rotation_and_new_ones_use_the_new_key() -> None:
    sealed = SecretBox([OLD]).seal("s", context=CONTEXT)
    rotated = SecretBox([NEW, OLD])
    assert rotated.open(sealed, context=CONTEXT) == "s"
    assert SecretBox([NEW]).open(rotated.seal("t", context=CONTEXT), context=CONTEXT) == "t"


def test_an_unknown_master_key_is_named_by_its_id_only() -> None:
    sealed = SecretBox([OLD]).seal("very-secret-value", context=CONTEXT)
    with pytest.raises(SecretError, match=sealed.split(".")[1]) as caught:
        SecretBox([NEW]).open(sealed, context=CONTEXT)
    assert "very-secret" not in str(caught.value)


def test_a_ciphertext_copied_to_another_webhook_does_not_open() -> None:
    box = SecretBox([NEW])
    sealed = box.seal("s", context=CONTEXT)
    with pytest.raises(SecretError, match="sealed for something else"):
        box.open(sealed, context=webhook_context("tenant", "other"))


@pytest.mark.parametrize("position", [0, 11, 12, 20, -1])
def test_one_flipped_bit_is_found(position: int) -> None:
    box = SecretBox([NEW])
    head, key_id, body = box.seal("some secret", context=CONTEXT).split(".")
    payload = bytearray(base64.urlsafe_b64decode(body))
    payload[position] ^= 1
    with pytest.raises(SecretError):
        box.open(f"{head}.{key_id}.{_text(bytes(payload))}", context=CONTEXT)


@pytest.mark.parametrize(
    "sealed", ["", "v1", "v1..", "v2.abc.def", "plain text", "v1.{id}.", "v1.{id}.!", "v1.{id}.YQ"]
)
def test_text_that_is_no_ciphertext_is_refused(sealed: str) -> None:
    box = SecretBox([NEW])
    key_id = box.seal("s", context=CONTEXT).split(".")[1]
    with pytest.raises(SecretError):
        box.open(sealed.format(id=key_id), context=CONTEXT)


@pytest.mark.parametrize("keys", [[], [b""], [bytes(16)], [NEW, bytes(KEY_BYTES + 1)]])
def test_keys_of_another_length_are_refused(keys: list[bytes]) -> None:
    with pytest.raises(SettingsError, match="32 bytes"):
        SecretBox(keys)


def test_the_master_key_is_read_from_the_setting_with_or_without_padding() -> None:
    sealed = SecretBox([NEW]).seal("s", context=CONTEXT)
    for text in (_text(NEW), _text(NEW).rstrip("=")):
        assert load_secret_box(Settings.model_validate({"master_key": text})).open(sealed, context=CONTEXT) == "s"


def test_a_key_file_may_hold_older_keys_below_the_current_one(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{_text(NEW)}\n{_text(OLD)}\n")
    box = load_secret_box(Settings(master_key_file=path))
    assert box.open(SecretBox([OLD]).seal("s", context=CONTEXT), context=CONTEXT) == "s"


def test_a_made_key_file_is_private_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_master_key_file(path)
    first = path.read_text()
    create_master_key_file(path)
    assert path.read_text() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(base64.urlsafe_b64decode(first.strip())) == KEY_BYTES


def test_a_missing_or_unusable_master_key_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HOOKLINE_MASTER_KEY"):
        load_secret_box(Settings())
    with pytest.raises(SettingsError, match="HOOKLINE_MASTER_KEY_FILE"):
        load_secret_box(Settings(master_key_file=tmp_path / "absent"))
    with pytest.raises(SettingsError) as caught:
        load_secret_box(Settings.model_validate({"master_key": "not-a-key-of-the-right-length"}))
    assert "not-a-key" not in str(caught.value)


def test_an_empty_key_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("")
    with pytest.raises(SettingsError, match="32 bytes"):
        load_secret_box(Settings(master_key_file=path))


def _replace(path: Path, *keys: bytes) -> None:
    MasterKeyFile(path).write(keys)


def test_a_key_added_to_the_file_seals_at_once_and_opens_what_others_sealed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_master_key_file(path)
    [first] = MasterKeyFile(path).read()
    box, other = (load_secret_box(Settings(master_key_file=path)) for _ in range(2))
    before = box.seal("before", context=CONTEXT)
    _replace(path, NEW, first)
    after = box.seal("after", context=CONTEXT)
    assert [key_id_of(sealed) for sealed in (before, after)] == [key_id(first), key_id(NEW)]
    assert other.open(after, context=CONTEXT) == "after"
    assert other.open(before, context=CONTEXT) == "before"


def test_a_key_taken_out_of_the_file_stays_known_until_the_process_ends(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_master_key_file(path)
    [first] = MasterKeyFile(path).read()
    box = load_secret_box(Settings(master_key_file=path))
    before = box.seal("before", context=CONTEXT)
    _replace(path, NEW)
    assert key_id_of(box.seal("after", context=CONTEXT)) == key_id(NEW)
    assert box.open(before, context=CONTEXT) == "before"
    with pytest.raises(SecretError, match=key_id(first)):
        load_secret_box(Settings(master_key_file=path)).open(before, context=CONTEXT)


@pytest.mark.parametrize("damage", ["", "not-a-key\n"])
def test_a_file_that_became_unusable_leaves_the_known_keys_in_use(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "key"
    create_master_key_file(path)
    box = load_secret_box(Settings(master_key_file=path))
    path.write_text(damage)
    assert box.open(box.seal("s", context=CONTEXT), context=CONTEXT) == "s"
    path.unlink()
    assert box.open(box.seal("s", context=CONTEXT), context=CONTEXT) == "s"


def test_a_replaced_key_file_keeps_its_mode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_master_key_file(path)
    _replace(path, NEW, OLD)
    assert MasterKeyFile(path).read() == [NEW, OLD]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]
    with pytest.raises(SettingsError, match="absent"):
        _replace(tmp_path / "absent" / "key", NEW)
