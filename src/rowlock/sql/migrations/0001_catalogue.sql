-- The catalogue: who sells, where, in which seating plan, which show, at which price.
-- Small tables that every node may hold a copy of; the show-scoped tables follow in 0002.

create table organizations (
    organization_id uuid primary key default gen_random_uuid(),
    name            text not null,
    slug            text not null,
    created_at      timestamptz not null default clock_timestamp(),
    constraint organizations_slug_unique unique (slug),
    constraint chk_organization_name check (name <> '' and slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$')
);
comment on table organizations is 'Who sells: a dance studio, a school, a theatre.';

create table venues (
    venue_id        uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations,
    name            text not null,
    time_zone       text not null default 'UTC',
    created_at      timestamptz not null default clock_timestamp(),
    constraint venues_name_unique unique (organization_id, name),
    constraint chk_venue_name check (name <> '')
);
comment on table venues is 'A building with a hall. time_zone is an IANA name; instants stay timestamptz.';

create table seating_plans (
    plan_id       uuid primary key default gen_random_uuid(),
    venue_id      uuid not null references venues,
    name          text not null,
    version       integer not null,
    source_format text not null,
    seats_total   integer not null,
    layout        jsonb not null,
    checksum      bytea not null,
    published_at  timestamptz not null default clock_timestamp(),
    constraint seating_plans_version_unique unique (venue_id, name, version),
    constraint chk_plan_seats_total check (seats_total between 1 and 200000),
    constraint chk_plan_version check (version >= 1)
);
comment on table seating_plans is
    'Published plan versions. A row never changes; a changed hall is a new version. '
    'layout: {"width","height","focal_point":[x,y],"categories":[{"name","color","for_sale"}],'
    '"sections":[{"name"}],"rows":[{"section","label"}],"shapes":[{"kind","points","text","color"}]}.';
comment on column seating_plans.checksum is 'SHA-256 over layout and seats, so that a changed plan is found.';

create table seats (
    plan_id   uuid not null references seating_plans,
    seat_id   integer not null,
    row_no    integer not null,
    run_no    integer not null,
    position  integer not null,
    number    text not null,
    label     text not null,
    x         double precision not null,
    y         double precision not null,
    category  integer not null,
    kind      text not null default 'standard',
    source_id text not null,
    constraint seats_pkey primary key (plan_id, seat_id),
    constraint seats_label_unique unique (plan_id, label),
    constraint seats_source_id_unique unique (plan_id, source_id),
    constraint chk_seat_id_positive check (seat_id >= 1),
    constraint chk_seat_kind check (kind in ('standard', 'wheelchair', 'companion'))
);
comment on table seats is
    'Seats of a plan version. seat_id is dense from 1. row_no and category index the arrays in seating_plans.layout; '
    'seats with one run_no sit shoulder to shoulder, in order of position.';

create table shows (
    show_id                   uuid primary key default gen_random_uuid(),
    show_key                  integer not null
        generated always as (('x' || right(show_id::text, 8))::bit(32)::integer) stored,
    plan_id                   uuid not null references seating_plans,
    slug                      text not null,
    title                     text not null,
    starts_at                 timestamptz not null,
    sales_start_at            timestamptz,
    sales_end_at              timestamptz,
    status                    text not null default 'on_sale',
    currency                  text not null default 'USD',
    seats_total               integer not null,
    max_seats_per_reservation integer not null default 10,
    hold_seconds              integer not null default 600,
    extension_seconds         integer not null default 300,
    max_extensions            integer not null default 3,
    max_hold_seconds          integer not null default 1500,
    created_at                timestamptz not null default clock_timestamp(),
    constraint shows_slug_unique unique (slug),
    -- draft -> on_sale -> paused -> on_sale … -> closed; any -> cancelled.
    constraint chk_show_status check (status in ('draft', 'on_sale', 'paused', 'closed', 'cancelled')),
    constraint chk_show_currency check (currency ~ '^[A-Z]{3}$'),
    constraint chk_show_title check (title <> ''),
    constraint chk_show_sales_window check (sales_end_at > sales_start_at),
    constraint chk_show_limits check (
        seats_total >= 1
        and max_seats_per_reservation between 1 and 1000
        and hold_seconds between 1 and 86400
        and extension_seconds between 0 and 86400
        and max_extensions between 0 and 100
        and max_hold_seconds between hold_seconds and 172800
    )
);
create index shows_show_key on shows (show_key);
create index shows_starts_at on shows (starts_at);
comment on table shows is 'One performance in one plan version. A show keeps its plan version for ever.';
comment on column shows.show_key is
    'The last 32 bits of show_id. Reservation ids made by Rowlock carry it, so that an id alone leads to its show.';
comment on column shows.seats_total is 'Copied from the plan: seat ids 1 to seats_total exist.';
comment on column shows.max_hold_seconds is 'A hold never lives longer than this, extensions included.';

create table show_prices (
    show_id      uuid not null references shows,
    category     integer not null,
    price_type   text not null default 'adult',
    amount_minor bigint not null,
    constraint show_prices_pkey primary key (show_id, category, price_type),
    constraint chk_price_not_negative check (amount_minor >= 0)
);
comment on table show_prices is 'What a seat of a category costs for a price type, in minor units of the show''s currency.';
