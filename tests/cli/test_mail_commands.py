"""rowlock mail: what was sent, what failed, and what came back."""

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.cli.exits import ExitCode
from tests.cli.conftest import Invoke


@pytest.fixture
def mails(rowlock: Invoke, dsns: Dsns) -> None:
    with psycopg.connect(dsns.owner, autocommit=True) as owner:
        owner.execute(
            "insert into rowlock.mails (message_id, kind, recipient, subject, status, error, at) values "
            "('<order_paid.1@example.org>', 'order_paid', 'anna@example.org', 'Tickets', 'sent', null, '2026-01-01'), "
            "('<order_paid.2@example.org>', 'order_paid', 'ben@example.org', 'Tickets', 'refused', '550', '2026-01-02')"
        )
        owner.execute(
            "insert into rowlock.outbox_messages (show_id, kind, next_attempt_at, last_error) "
            "values (gen_random_uuid(), 'refund_failed', '9999-12-31 00:00:00+00', 'card closed')"
        )


@pytest.mark.usefixtures("mails")
def test_mails_are_listed_the_newest_first_and_failures_apart(rowlock: Invoke) -> None:
    every = rowlock("mail", "list", "--json").document
    failed = rowlock("mail", "list", "--failed", "--json").document

    assert [mail["recipient"] for mail in every["mails"]] == ["ben@example.org", "anna@example.org"]
    assert "given_up" not in every
    assert [mail["error"] for mail in failed["mails"]] == ["550"]
    assert [(work["kind"], work["error"]) for work in failed["given_up"]] == [("refund_failed", "card closed")]
    text = rowlock("mail", "list", "--failed").out
    assert "550" in text
    assert "card closed" in text
    assert "anna" not in text
    assert len(rowlock("mail", "list", "--limit", "1", "--json").document["mails"]) == 1


@pytest.mark.usefixtures("mails")
def test_a_mail_that_came_back_is_noted(rowlock: Invoke) -> None:
    sent = "<order_paid.1@example.org>"

    assert rowlock("mail", "bounced", sent, "--error", "550 gone", "--json").document["status"] == "bounced"
    assert rowlock("mail", "bounced", sent).code == 0
    assert "came back" in rowlock("mail", "list", "--failed").out
    assert rowlock("mail", "bounced", "<no.such@example.org>").code == ExitCode.REFUSED


def test_without_mails_it_says_so(rowlock: Invoke) -> None:
    assert rowlock("mail", "list").out.strip() == "No mail was sent yet."
    assert "No mail failed." in rowlock("mail", "list", "--failed").out
