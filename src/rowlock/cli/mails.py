"""Commands about mail: list what was sent and what failed, and note that a mail came back."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from rowlock.cli.common import DataDir, Json, print_result, refuse, table, with_services

_LIMIT = 1_000


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Mails to buyers: what was sent, what was refused, and what came back.")
    group.command("list", epilog="Example: rowlock mail list --failed")(list_)
    group.command("bounced", epilog='Example: rowlock mail bounced MESSAGE_ID --error "550 no such user"')(bounced)
    app.add_typer(group, name="mail")


def list_(
    failed: Annotated[
        bool,
        typer.Option(
            "--failed",
            help="Only what was refused or came back, and work on orders that was given up, with the errors.",
        ),
    ] = False,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1, max=_LIMIT)] = 100,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List mails, the newest first."""
    mails = with_services(data_dir, lambda services: services.mails.list_mails(failed=failed, limit=limit))
    text = table(
        ("AT", "STATUS", "KIND", "TO", "SUBJECT", "ERROR"),
        [
            (
                mail.at.isoformat(timespec="seconds"),
                mail.status,
                mail.kind,
                mail.recipient,
                mail.subject,
                mail.error or "",
            )
            for mail in mails
        ],
        empty="No mail failed." if failed else "No mail was sent yet.",
    )
    document = {"mails": [asdict(mail) for mail in mails]}
    if failed:
        given_up = with_services(data_dir, lambda services: services.mails.list_given_up(limit=limit))
        document["given_up"] = [asdict(message) for message in given_up]
        rows = [(_at(message.at), message.kind, message.order_id or "", message.error or "") for message in given_up]
        text += "\n\n" + table(("AT", "WORK", "ORDER", "ERROR"), rows, empty="No work on orders was given up.")
    print_result(document, text, as_json=json)


def _at(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


def bounced(
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="The mail; see `rowlock mail list --json`.")],
    error: Annotated[str, typer.Option("--error", help="What the returned mail says.")] = "it came back",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Note that a mail came back, so that it is listed as failed. Repeatable."""
    if not with_services(data_dir, lambda services: services.mails.note_bounce(message_id, error)):
        raise refuse(f"No mail {message_id} was sent. `rowlock mail list --json` has the ids.")
    print_result({"message_id": message_id, "status": "bounced"}, f"{message_id} came back.", as_json=json)
