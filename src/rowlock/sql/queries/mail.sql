-- Mail: the record of what was sent, and the local mailbox of installations without a mail server.

-- name: status
-- scope: cell
-- What became of a mail; no row when it was neither sent nor refused.
select status from rowlock.mails where message_id = %s

-- name: record
-- scope: cell
-- Writes down that a mail was sent or refused. What was sent once stays so.
insert into rowlock.mails as m (message_id, kind, show_id, order_id, recipient, subject, status, error)
values (
    %(message_id)s, %(kind)s, %(show_id)s, %(order_id)s, %(recipient)s, %(subject)s, %(status)s, %(error)s
)
on conflict (message_id) do update
set status = excluded.status, error = excluded.error, at = clock_timestamp()
where m.status = 'refused'

-- name: bounce
-- scope: cell
-- Writes down that a mail came back; no row when no such mail was sent.
update rowlock.mails
set status = 'bounced', error = %(error)s, at = clock_timestamp()
where message_id = %(message_id)s and status <> 'refused'
returning message_id

-- name: listing
-- scope: cell
-- Mails, the newest first.
select message_id, kind, show_id, order_id, recipient, subject, status, error, at
from rowlock.mails
where not %(failed)s::boolean or status <> 'sent'
order by at desc, message_id
limit %(limit)s

-- name: given_up
-- scope: cell
-- Messages of the outbox that failed for good, the newest first.
select message_id, kind, show_id, order_id, last_error as error, created_at as at
from rowlock.outbox_messages
where done_at is null and next_attempt_at = '9999-12-31 00:00:00+00'
order by created_at desc, message_id desc
limit %(limit)s

-- name: keep
-- scope: catalogue
-- Puts a mail into the local mailbox; one that is there already is replaced.
insert into rowlock.mailbox_messages (message_id, recipient, subject, content)
values (%s, %s, %s, %s)
on conflict (message_id) do update set content = excluded.content, at = clock_timestamp()

-- name: forget
-- scope: catalogue
-- Leaves the newest mails of the local mailbox, and deletes those before them.
delete from rowlock.mailbox_messages
where mailbox_id <= (select max(mailbox_id) from rowlock.mailbox_messages) - %s::bigint

-- name: mailbox
-- scope: catalogue
-- The mails of the local mailbox, the newest first, without their content.
select mailbox_id, recipient, subject, at, null::bytea as content
from rowlock.mailbox_messages
order by at desc, mailbox_id desc

-- name: mailbox_message
-- scope: catalogue
-- One mail of the local mailbox.
select mailbox_id, recipient, subject, at, content from rowlock.mailbox_messages where mailbox_id = %s
