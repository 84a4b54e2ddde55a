"""Commands about tickets: verify a code, and list and rotate the keys that sign codes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rowlock.checkout.model import TicketState
from rowlock.checkout.ticket_codes import CodeRefused, PublicKeys, Refusal, TicketCode, tidy, verify
from rowlock.checkout.ticket_keys import TicketKeysError, public_keys_of, read_keys, rotate_keys
from rowlock.cli.common import DataDir, Json, fields, load_settings, print_result, refuse, table, with_services
from rowlock.database.calls import BusyError, FunctionsMissingError, LoginMissingError, OutcomeUnknownError
from rowlock.database.connections import DATABASE_ERRORS
from rowlock.database.pooler import TransactionPoolerError
from rowlock.instance import NoDatabaseError, make_data_dir
from rowlock.services import ticket_keys_file

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
    return ticket_keys_file(load_settings(data_dir))


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says of a ticket: `verdict` is None when it could not be asked, and `why_not` says why."""

    verdict: str | None
    state: TicketState | None = None
    why_not: str | None = None


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
    known = _Known(None, why_not="--offline was given") if offline else _ask_database(found, data_dir)
    valid = known.verdict in (None, "valid")
    document = {
        "valid": valid,
        "reason": None if valid else f"TICKET_{str(known.verdict).upper()}",
        "show_id": found.show_id,
        "ticket_id": found.ticket_id,
        "revision": found.revision,
        "key_id": found.key_id,
        "status": None if known.state is None else known.state.status,
        "present_revision": None if known.state is None else known.state.revision,
        "used_at": None if known.state is None else known.state.used_at,
        "database_not_asked": known.why_not,
    }
    print_result(document, _describe(found, known), as_json=json)
    if not valid:
        raise refuse(_NOT_VALID[str(known.verdict)])


_NOT_VALID = {
    "used": "This ticket was used already.",
    "void": "This ticket is void: it was returned or exchanged.",
    "replaced": "This code was replaced: the ticket was issued anew, and only its newest code counts.",
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
        state = with_services(data_dir, lambda services: services.checkout.ticket_state(code.show_id, code.ticket_id))
    except _DATABASE_FAILED as error:
        return _Known(None, why_not=str(error).strip() or type(error).__name__)
    # A higher revision than the database knows is one that a backup has lost.
    if state is None or code.revision > state.revision:
        return _Known("missing", state)
    # Void comes first: of a ticket that was given back, no code counts.
    if state.status != "void" and code.revision < state.revision:
        return _Known("replaced", state)
    return _Known(state.status, state)


def _describe(code: TicketCode, known: _Known) -> str:
    described: dict[str, object] = {
        "signature": f"genuine, key {code.key_id}",
        "show": code.show_id,
        "ticket": code.ticket_id,
        "revision": code.revision,
        "ticket is": known.verdict or "not known",
    }
    if known.state is not None and known.state.used_at is not None:
        described["used at"] = known.state.used_at.isoformat(timespec="seconds")
    text = fields(described)
    if known.why_not is not None:
        text += f"\nWhether it was used or is void is not known: {known.why_not}"
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
