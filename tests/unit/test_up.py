"""What `hookline up` tells a person."""

from pathlib import Path

from hookline.ready_file import ReadyFile
from hookline.stack_folder import StackFolder, write_atomically
from hookline.up import sign_in_lines


def ready_file(folder: Path) -> ReadyFile:
    return ReadyFile(
        ingress_url="http://127.0.0.1:1",
        management_url="http://127.0.0.1:2",
        webhook_url="http://127.0.0.1:1/api/inbound/demo/rmm-alerts",
        kafka_bootstrap="127.0.0.1:3",
        postgres_dsn="postgresql://",
        clickhouse="",
        tenant_slug="demo",
        admin_api_key="",
        master_key_file=None,
        data_dir=folder,
        pid=1,
        pids={},
        ready_urls={},
    )


def test_the_first_password_is_shown_by_the_start_that_made_it_and_after_that_only_where_it_is(tmp_path: Path) -> None:
    file = StackFolder(tmp_path).admin_password_file
    lost = "\n".join(sign_in_lines(ready_file(tmp_path), None))
    assert "hookline users set-password admin@demo.example --tenant demo" in lost
    write_atomically(file, "a very secret password\n")
    first = "\n".join(sign_in_lines(ready_file(tmp_path), "a very secret password"))
    assert "http://127.0.0.1:2 to tenant demo as admin@demo.example" in first
    assert "password: a very secret password" in first
    assert str(file) in first
    later = "\n".join(sign_in_lines(ready_file(tmp_path), None))
    assert "a very secret password" not in later
    assert f"password: in {file}" in later
