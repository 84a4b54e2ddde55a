"""Commands about tickets: verify a code, and list and rotate the keys that sign codes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rowlock.checkout.ticket_codes import CodeRefused, PublicKeys, Refusal, TicketCode, tidy, verify
from rowlock.checkout.ticket_keys import FILE_NAME, TicketKeysError, public_keys_of, read_keys, rotate_keys
from rowlock.cli.common import DataDir, Json, fields, load_settings, print_result, refuse, table, with_services
from rowlock.database.calls import BusyError, FunctionsMissingError, LoginMissingError, OutcomeUnknownError
from rowlock.database.connections import DATABASE_ERRORS
from rowlock.database.pooler import TransactionPoolerError
from rowlock.instance import NoDatabaseError, make_data_dir

_DATABASE_FAILED = (
    *DATABASE_ERRORS,
    NoDatabaseError,
    TransactionPoolerError,
    *(BusyError, FunctionsMissingError, LoginMissingError, OutcomeUnknownError),
)

_WHY = {
    Refusal.NOT_A_TICKET_CODE: "This is no ticket code: it does not start with RT-.",
    Refusal.WRONG_LENGTH: "This is a part of a ticket code, or has more than one in it.",
    Refusal.WRONG_CHARACTER: "This has a character that no ticket code has.",
    Refusal.UNKNOWN_VERSION: "A later release of Rowlock made this code.",
    Refusal.UNKNOWN_KEY: "This code was signed with a key that is not among yours.",
    Refusal.WRONG_SIGNATURE: "The signature is wrong: the code was changed, misread or forged.",
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Tickets: verify a code, and the keys that sign codes.", no_args_is_help=True)
    group.command("verify", epilog="Example: rowlock ticket verify RT-05B4EPN70000…")(verify_)
    group.command("keys", epilog="Example: rowlock ticket keys --json > door-keys.json")(keys)
    group.command("rotate-key", epilog="Example: rowlock ticket rotate-key")(rotate_key)
    app.add_typer(group, name="ticket")


def _keys_file(data_dir: Path | None) -> Path:
    settings = load_settings(data_dir)
    return settings.ticket_keys_file or settings.data_dir / FILE_NAME


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says of a ticket: `status` is None when it was not asked, `missing` when it has none such."""

    status: str | None
    used_at: datetime | None
    why_not_asked: str | None = None


def verify_(
    code: Annotated[str, typer.Argument(help="The code, as scanned or typed: case, blanks and hyphens do not matter.")],
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            exists=True,
            dir_okay=False,
            help="Public keys, from `rowlock ticket keys --json`. [default: this installation's keys]",
            show_default=False,
        ),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the database.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say whether a ticket code is genuine, for which ticket it is, and whether that is still valid."""
    found = verify(tidy(code), _public_keys(keys, data_dir))
    if isinstance(found, CodeRefused):
        print_result({"valid": False, "reason": found.reason, "key_id": found.key_id}, "Not valid.", as_json=json)
        raise refuse(_WHY[found.reason] + (f" The key is {found.key_id}." if found.key_id else ""))
    known = _Known(None, None, "--offline was given") if offline else _ask_database(found, data_dir)
    valid = known.status in (None, "valid")
    document = {
        "valid": valid,
        "reason": None if valid else f"TICKET_{str(known.status).upper()}",
        "show_id": found.show_id,
        "ticket_id": found.ticket_id,
        "revision": found.revision,
        "key_id": found.key_id,
        "status": known.status,
        "used_at": known.used_at,
        "database_not_asked": known.why_not_asked,
    }
    print_result(document, _describe(found, known), as_json=json)
    if not valid:
        raise refuse(_STATUS[str(known.status)])


_STATUS = {
    "used": "This ticket was used already.",
    "void": "This ticket is void: it was returned, exchanged or issued anew.",
    "missing": "The code is genuine, and this database has no such ticket: it belongs to another one, or to a backup.",
}


def _public_keys(file: Path | None, data_dir: Path | None) -> PublicKeys:
    if file is None:
        return read_keys(_keys_file(data_dir)).public_keys
    try:
        return public_keys_of(file.read_bytes())
    except OSError as error:
        raise TicketKeysError(f"{file} cannot be read: {error.strerror or error}.") from error


def _ask_database(code: TicketCode, data_dir: Path | None) -> _Known:
    """What the database says; a door without one has the signature alone."""
    try:
        found = with_services(data_dir, lambda services: services.checkout.ticket_status(code.show_id, code.ticket_id))
    except _DATABASE_FAILED as error:
        return _Known(None, None, str(error).strip() or type(error).__name__)
    return _Known("missing", None) if found is None else _Known(*found)


def _describe(code: TicketCode, known: _Known) -> str:
    described = {
        "signature": f"genuine, key {code.key_id}",
        "show": code.show_id,
        "ticket": code.ticket_id,
        "revision": code.revision,
        "status": known.status or "unknown",
    }
    if known.used_at is not None:
        described["used at"] = known.used_at.isoformat(timespec="seconds")
    text = fields(described)
    if known.why_not_asked is not None:
        text += f"\nWhether it was used or is void is not known: {known.why_not_asked}"
    return text


def keys(data_dir: DataDir = None, json: Json = False) -> None:
    """List the public keys that verify ticket codes. As JSON, they are a key set for the devices at the door."""
    ring = read_keys(_keys_file(data_dir))
    rows = [
        (
            key.key_id,
            key.created_at.isoformat(timespec="seconds"),
            "signs" if number == 0 else "verifies",
            key.jwk()["x"],
        )
        for number, key in enumerate(ring.keys)
    ]
    print_result(ring.jwks(), table(("KEY", "MADE AT", "IT", "PUBLIC KEY"), rows, empty=""), as_json=json)


def rotate_key(
    drop_old: Annotated[
        bool,
        typer.Option("--drop-old", help="Refuse the codes of all older keys from now on: after a key was stolen."),
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Sign tickets with a new key from now on. Tickets that are out stay valid, unless --drop-old is given."""
    file = _keys_file(data_dir)
    if load_settings(data_dir).ticket_keys_file is None:
        make_data_dir(file.parent)
    ring = rotate_keys(file, datetime.now(UTC), drop_old=drop_old)
    signing, older = ring.keys[0], ring.keys[1:]
    text = f"Key {signing.key_id} signs from now on. "
    if drop_old:
        text += "Codes of older keys are refused: issue those tickets anew."
    elif older:
        text += f"Codes of the older ones ({len(older)}) stay valid."
    else:
        text += "There was none before."
    text += " Give the devices at the door the new list: `rowlock ticket keys --json`."
    print_result({"key_id": signing.key_id, "older_key_ids": [key.key_id for key in older]}, text, as_json=json)
