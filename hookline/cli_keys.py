"""`hookline keys`: the master key that seals webhook secrets."""

from __future__ import annotations

from typing import Annotated

import typer

from hookline import console
from hookline.cli_options import DEFAULT_DATA_DIR, EXIT_CODES, AsJson, DataDir

app = typer.Typer(no_args_is_help=True, help="Replace the master key that seals webhook secrets.")


@app.command("rotate-master", epilog=EXIT_CODES)
def rotate_master(
    prepare: Annotated[bool, typer.Option("--prepare", help="Only add the new key to the file.")] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Take the old keys out of the file.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Seal every webhook secret under a new master key, while everything runs.

    Adds a key in front of the key file, seals all secrets again, and waits
    until they are published. Every process of ingress, processors and
    management must see the file before: those on this machine do, they read
    it when they meet the new key; for others, add the key with --prepare,
    copy the file, and then run this.

    Broken off? Run it again. When it is done, --drop-old takes the old key
    out of the file, once nothing is sealed under it any more.
    """
    from hookline.configuration import settings_near
    from hookline.errors import UsageError
    from hookline.master_key import add_key, drop_old_keys, master_key_file, reseal

    if prepare and drop_old:
        raise UsageError("give --prepare or --drop-old, not both")
    settings = settings_near(data_dir)
    key_file = master_key_file(settings)
    if drop_old:
        dropped = drop_old_keys(settings, key_file)
        shown = {"key_file": str(key_file.path), "dropped": dropped}
        console.show_json(shown) if as_json else typer.echo(f"{dropped} old keys taken out of {key_file.path}")
        return
    current = add_key(key_file)
    resealed = 0 if prepare else reseal(settings, key_file, typer.echo if not as_json else lambda _: None)
    if as_json:
        console.show_json({"key_file": str(key_file.path), "key_id": current, "resealed": resealed})
    elif prepare:
        typer.echo(f"key {current} stands first in {key_file.path}: copy it to every machine, then run this again")
    else:
        typer.echo(f"{resealed} secrets are sealed under key {current} and published; end it with --drop-old")
