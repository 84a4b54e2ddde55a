-- The catalogue: organizations, venues, published seating plans, shows and their prices. The owner writes it; buyers
-- read public shows and plans.

-- name: find_organizations
-- scope: catalogue
-- The organizations of a name, or all of them when it is null, oldest first.
select organization_id, name, slug
from rowlock.organizations
where %(name)s::text is null or name = %(name)s
order by created_at, name

-- name: add_organization
-- scope: catalogue
-- A new organization, or no row when the slug is taken.
insert into rowlock.organizations (organization_id, name, slug)
values (%(organization_id)s, %(name)s, %(slug)s)
on conflict (slug) do nothing
returning organization_id, name, slug

-- name: find_venue
-- scope: catalogue
-- The venue of that name of an organization. The time zone is an IANA name.
select venue_id, organization_id, name, time_zone
from rowlock.venues
where organization_id = %(organization_id)s and name = %(name)s

-- name: add_venue
-- scope: catalogue
-- A new venue, or no row when the organization has one of that name already, also from a concurrent transaction.
insert into rowlock.venues (venue_id, organization_id, name, time_zone)
values (%(venue_id)s, %(organization_id)s, %(name)s, %(time_zone)s)
on conflict (organization_id, name) do nothing
returning venue_id, organization_id, name, time_zone

-- name: lock_venue
-- scope: catalogue
-- Makes other transactions that publish a plan of this venue wait, so that versions have no gaps and no duplicates. No
-- row when there is no such venue.
select venue_id from rowlock.venues where venue_id = %s for update

-- name: add_plan
-- scope: catalogue
-- The next version of a plan. Its checksum follows in the same transaction, once its seats are stored.
insert into rowlock.seating_plans
    (plan_id, venue_id, name, version, source_format, seats_total, layout, checksum)
select
    %(plan_id)s::uuid,
    %(venue_id)s,
    %(name)s::text,
    coalesce(max(p.version), 0) + 1,
    %(source_format)s::text,
    %(seats_total)s::integer,
    %(layout)s::jsonb,
    ''::bytea
from rowlock.seating_plans as p
where p.venue_id = %(venue_id)s and p.name = %(name)s
returning plan_id, version

-- name: copy_seats
-- scope: catalogue
-- Takes the seats of a new plan version from the client. In binary form each value needs the exact type of its
-- column.
copy rowlock.seats
    (plan_id, seat_id, row_no, run_no, position, number, label, x, y, category, kind, source_id)
from stdin (format binary)

-- name: seal_plan
-- scope: catalogue
-- Stores and returns the checksum (SHA-256) of a plan version whose seats have just been stored.
update rowlock.seating_plans as p
set checksum = c.checksum
from rowlock.seating_plan_checksums as c
where p.plan_id = %(plan_id)s and c.plan_id = %(plan_id)s
returning p.checksum

-- name: list_plans
-- scope: catalogue
-- Every published plan version with its venue and organization.
select
    p.plan_id, p.name, p.version, v.name as venue, v.time_zone, o.name as organization, p.source_format,
    p.seats_total, p.published_at
from rowlock.seating_plans as p
join rowlock.venues as v using (venue_id)
join rowlock.organizations as o using (organization_id)
order by o.name, v.name, p.name, p.version

-- name: find_plan
-- scope: catalogue
-- What a new show needs of its plan. A category's position in `categories` is its number.
select p.plan_id, p.name, p.version, v.name as venue, v.time_zone, p.seats_total, p.layout -> 'categories' as categories
from rowlock.seating_plans as p
join rowlock.venues as v using (venue_id)
where p.plan_id = %s

-- name: plan_layout
-- scope: catalogue
-- A plan version without its seats, which plan_seats returns.
select plan_id, name, version, seats_total, layout from rowlock.seating_plans where plan_id = %s

-- name: plan_seats
-- scope: catalogue
-- The seats of a plan version in order of their ids. The client asks for binary results: a plan has thousands of seats.
select seat_id, row_no, run_no, position, number, label, x, y, category, kind, source_id
from rowlock.seats
where plan_id = %s
order by seat_id

-- name: block_category
-- scope: show
-- Keep every seat of a category from sale in a new show; no row when the category has no seats.
select blocked.outcome, blocked.seat_ids
from (
    select array_agg(seat_id order by seat_id) as seat_ids
    from rowlock.seats
    where plan_id = %(plan_id)s and category = %(category)s
    having count(*) > 0
) as kept
cross join lateral rowlock.block_seats_atomic(
    %(show_id)s::uuid, kept.seat_ids, %(reason)s::text, p_actor => 'box office'::text
) as blocked

-- name: add_show
-- scope: catalogue
-- A new show, or no row when its slug is taken. The number of seats comes from its plan.
insert into rowlock.shows
    (show_id, organization_id, plan_id, slug, title, description, image_url, doors_at, starts_at, ends_at,
     sales_start_at, sales_end_at, currency, seats_total)
select
    %(show_id)s, v.organization_id, p.plan_id, %(slug)s, %(title)s, %(description)s::text, %(image_url)s::text,
    %(doors_at)s::timestamptz, %(starts_at)s::timestamptz, %(ends_at)s::timestamptz, %(sales_start_at)s::timestamptz,
    %(sales_end_at)s::timestamptz, %(currency)s, p.seats_total
from rowlock.seating_plans as p
join rowlock.venues as v using (venue_id)
where p.plan_id = %(plan_id)s
on conflict (slug) do nothing
returning show_id

-- name: raise_price_version
-- scope: show
-- Makes the version after all that there are the one that new holds of a show are made under. Its prices follow in the
-- same transaction.
update rowlock.shows as s
set price_version = 1 + greatest(
    s.price_version,
    (select max(p.price_version) from rowlock.show_prices as p where p.show_id = s.show_id),
    (select max(l.price_version) from rowlock.show_price_lists as l where l.show_id = s.show_id)
)
where s.show_id = %s
returning s.price_version

-- name: add_price_list
-- scope: catalogue
-- A version of the prices of a show, in minor units of its currency. For a new show it runs in the transaction of
-- add_show, so it has the same scope.
with list as (
    insert into rowlock.show_price_lists (show_id, price_version, fee_per_order_minor)
    values (%(show_id)s::uuid, %(price_version)s::integer, %(fee_per_order_minor)s::bigint)
)
insert into rowlock.show_prices
    (show_id, price_version, category, price_type, amount_minor, fee_minor, tax_basis_points)
select
    %(show_id)s::uuid, %(price_version)s::integer, p.category, p.price_type, p.amount_minor, p.fee_minor,
    p.tax_basis_points
from unnest(
    %(categories)s::integer[], %(price_types)s::text[], %(amounts_minor)s::bigint[], %(fees_minor)s::bigint[],
    %(tax_basis_points)s::integer[]
) as p (category, price_type, amount_minor, fee_minor, tax_basis_points)

-- name: lock_show
-- scope: show
-- Locks one show until the end of the transaction. What it is now has to be read after that, with show_state: a join
-- here would still see the plan and the prices from before the wait.
select show_id from rowlock.shows where show_id = %s for update

-- name: show_state
-- scope: show
-- One show as its organizer changes it, with the time zone of its venue and the fee per order.
select
    s.show_id, s.plan_id, s.title, s.starts_at, s.description, s.image_url, s.doors_at, s.ends_at, s.sales_start_at,
    s.sales_end_at, s.status, s.sales_close_at, v.time_zone, s.currency,
    coalesce(l.fee_per_order_minor, 0) as fee_per_order_minor
from rowlock.shows as s
join rowlock.seating_plans as p using (plan_id)
join rowlock.venues as v using (venue_id)
left join rowlock.show_price_lists as l using (show_id, price_version)
where s.show_id = %s

-- name: update_show
-- scope: show
-- What is told of a show, all of it. Returns when its sales close then.
update rowlock.shows
set title = %(title)s, starts_at = %(starts_at)s::timestamptz, description = %(description)s::text,
    image_url = %(image_url)s::text, doors_at = %(doors_at)s::timestamptz, ends_at = %(ends_at)s::timestamptz,
    sales_start_at = %(sales_start_at)s::timestamptz, sales_end_at = %(sales_end_at)s::timestamptz
where show_id = %(show_id)s
returning sales_close_at

-- name: announce_show_moved
-- scope: show
-- Has every buyer with tickets told when the show was to begin, and when it does.
select rowlock.announce_show_moved(%s::uuid, %s::timestamptz, %s::timestamptz)

-- name: set_status
-- scope: show
-- The status of a show.
update rowlock.shows set status = %s where show_id = %s

-- name: cancel_show
-- scope: show
-- Cancels a show, and ends some of its holds and orders. To be repeated until none is left.
select outcome, holds_released, orders_ended, holds_left, orders_left
from rowlock.cancel_show_atomic(%s::uuid, %s::text, %s::integer, p_actor => %s::text)

-- name: list_venues
-- scope: catalogue
-- Every venue with its organization.
select
    v.venue_id, o.name as organization, v.name, v.time_zone, v.address, v.access_notes, v.step_free_sections
from rowlock.venues as v
join rowlock.organizations as o using (organization_id)
order by o.name, v.name, v.venue_id

-- name: lock_venue_details
-- scope: catalogue
-- One venue with its organization, locked until the end of the transaction.
select
    v.venue_id, o.name as organization, v.name, v.time_zone, v.address, v.access_notes, v.step_free_sections
from rowlock.venues as v
join rowlock.organizations as o using (organization_id)
where v.venue_id = %s
for update of v

-- name: sections_of_venue
-- scope: catalogue
-- The names of the sections of all plans of a venue.
select distinct s.section ->> 'name' as name
from rowlock.seating_plans as p
cross join lateral jsonb_array_elements(p.layout -> 'sections') as s (section)
where p.venue_id = %s
order by 1

-- name: update_venue
-- scope: catalogue
-- What is told of a venue, all of it.
update rowlock.venues
set time_zone = %(time_zone)s, address = %(address)s::text, access_notes = %(access_notes)s::text,
    step_free_sections = %(step_free_sections)s::text[]
where venue_id = %(venue_id)s

-- name: lock_sellers
-- scope: catalogue
-- Organizations of a name or slug, or all of them, with what receipts say of them; locked until the transaction ends.
select organization_id, name, slug, legal_name, address, tax_id
from rowlock.organizations
where %(organization)s::text is null or %(organization)s in (name, slug)
order by name, slug
for no key update

-- name: update_seller
-- scope: catalogue
-- What receipts say of an organization.
update rowlock.organizations
set legal_name = %(legal_name)s::text, address = %(address)s::text, tax_id = %(tax_id)s::text
where organization_id = %(organization_id)s

-- name: list_every_show
-- scope: catalogue
-- Every show for its organizer, drafts included, in order of the start.
select
    show_id, slug, title, plan_id, venue, time_zone, organization, starts_at, sales_start_at, sales_end_at, status,
    currency, price_from_minor, seats_total, seats_available
from rowlock.show_listing
order by starts_at, title, show_id

-- name: list_public_shows
-- scope: catalogue
-- Shows that buyers may see, which leaves out drafts, in order of the start. A filter that is null does not apply.
-- A show that is over is left out, unless a time was asked for. Durations are in seconds, prices in minor units. The
-- list goes on behind the show that after_at and after_id name.
select
    show_id, slug, title, description, image_url, plan_id, venue, venue_address, venue_access_notes,
    step_free_sections, time_zone, organization, doors_at, starts_at, ends_at, sales_start_at, sales_end_at,
    sales_close_at, status, currency, price_from_minor, fee_per_order_minor, seats_total, seats_available,
    max_seats_per_reservation, hold_seconds, extension_seconds, max_extensions
from rowlock.show_listing
where status <> 'draft'
    and (%(status)s::text is null or status = %(status)s)
    and (%(venue)s::text is null or venue = %(venue)s)
    and (%(organization)s::text is null or organization = %(organization)s)
    and (%(starts_from)s::timestamptz is null or starts_at >= %(starts_from)s::timestamptz)
    and (%(starts_before)s::timestamptz is null or starts_at < %(starts_before)s::timestamptz)
    and (
        coalesce(%(starts_from)s::timestamptz, %(starts_before)s::timestamptz) is not null
        or coalesce(ends_at, starts_at) > clock_timestamp()
    )
    and (%(after_at)s::timestamptz is null or (starts_at, show_id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
order by starts_at, show_id
limit %(limit)s

-- name: public_show
-- scope: show
-- One show as list_public_shows has it; no row for a draft.
select
    show_id, slug, title, description, image_url, plan_id, venue, venue_address, venue_access_notes,
    step_free_sections, time_zone, organization, doors_at, starts_at, ends_at, sales_start_at, sales_end_at,
    sales_close_at, status, currency, price_from_minor, fee_per_order_minor, seats_total, seats_available,
    max_seats_per_reservation, hold_seconds, extension_seconds, max_extensions
from rowlock.show_listing
where status <> 'draft' and show_id = %s

-- name: show_prices
-- scope: show
-- The prices of a show in minor units of its currency, by category and price type, that of adults first.
select
    pl.layout -> 'categories' -> p.category ->> 'name' as category, p.price_type, p.amount_minor, p.fee_minor,
    p.tax_basis_points
from rowlock.show_prices as p
join rowlock.shows as s using (show_id, price_version)
join rowlock.seating_plans as pl using (plan_id)
where show_id = %s
order by p.category, p.price_type <> 'adult', p.price_type collate "C"

-- name: move_show
-- scope: show
-- Takes a show to another plan. Told are the seats in the way, or the categories that have no price.
select outcome, plan_id, seats_total, seat_ids, categories
from rowlock.move_show_atomic(%s::uuid, %s::uuid, %s::text[], %s::bigint[], p_actor => %s::text)

-- name: labels_of_seats
-- scope: show
-- The labels of some seats of a show, in order of their ids.
select p.label
from rowlock.shows as s
join rowlock.seats as p using (plan_id)
where s.show_id = %s and p.seat_id = any(%s::integer[])
order by p.seat_id

-- name: plan_by_id
-- scope: catalogue
-- A plan version, and its checksum in hexadecimal.
select plan_id, version, encode(checksum, 'hex') as checksum from rowlock.seating_plans where plan_id = %s

-- name: plan_of_show
-- scope: show
-- The plan version that a show uses now, and the checksum of the plan in hexadecimal. No row for a draft.
select pl.plan_id, pl.version, encode(pl.checksum, 'hex') as checksum
from rowlock.shows as s
join rowlock.seating_plans as pl using (plan_id)
where s.show_id = %s and s.status <> 'draft'

-- name: is_empty
-- scope: catalogue
-- Whether nothing was ever published here. The demonstration fills an empty catalogue only.
select not exists (select from rowlock.seating_plans) and not exists (select from rowlock.shows)

-- name: lock_catalogue
-- scope: catalogue
-- An advisory lock: until the end of the transaction no other session fills an empty catalogue. The number is
-- arbitrary; no other advisory lock uses it.
select pg_advisory_xact_lock(7237115463281209441)
