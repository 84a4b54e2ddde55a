-- Shows and venues get what a page tells of them; the instants of a show get bounds; and a show knows when its sales end.
--
-- A catalogue has some thousands of shows at most: writing them anew for the generated column takes milliseconds.
-- squawk-ignore-file adding-field-with-default, adding-not-nullable-field

alter table venues
    add column address text,
    add column access_notes text,
    add column step_free_sections text[] not null default '{}';
comment on column venues.address is 'Where it is, in lines as on an envelope.';
comment on column venues.access_notes is 'How to get in and to a seat without steps, and what helps whoever hears or sees little.';
comment on column venues.step_free_sections is 'The names of the sections of its plans that are reached without steps.';

-- One instant beyond the years that clients can convert made every list of shows fail. What stands for "never" or
-- "always" becomes that; any other one is moved to the nearest bound, where its organizer finds it.
update shows
set starts_at = least(greatest(starts_at, '2000-01-01 00:00:00+00'), '2199-12-31 23:59:00+00'),
    sales_start_at = case
        when sales_start_at >= '2000-01-01 00:00:00+00' then least(sales_start_at, '2199-12-31 23:59:00+00')
    end,
    sales_end_at = case
        when sales_end_at < '2200-01-01 00:00:00+00' then greatest(sales_end_at, '2000-01-01 00:00:00+00')
    end
where least(starts_at, sales_start_at, sales_end_at) < '2000-01-01 00:00:00+00'
    or greatest(starts_at, sales_start_at, sales_end_at) >= '2200-01-01 00:00:00+00';

alter table shows
    add column description text,
    add column image_url text,
    add column doors_at timestamptz,
    add column ends_at timestamptz,
    add column sales_close_at timestamptz
        generated always as (least(coalesce(sales_end_at, starts_at), coalesce(ends_at, starts_at))) stored;
alter table shows
    add constraint chk_show_instants check (
        starts_at >= '2000-01-01 00:00:00+00' and starts_at < '2200-01-01 00:00:00+00'
        and sales_start_at >= '2000-01-01 00:00:00+00' and sales_start_at < '2200-01-01 00:00:00+00'
        and sales_end_at >= '2000-01-01 00:00:00+00' and sales_end_at < '2200-01-01 00:00:00+00'
        and doors_at >= '2000-01-01 00:00:00+00' and doors_at <= starts_at
        and ends_at > starts_at and ends_at < '2200-01-01 00:00:00+00'
    ) not valid,
    add constraint chk_show_image_url check (image_url ~ '^https?://[^[:space:]]+$') not valid;
comment on column shows.description is 'What is shown, for the page of the show: plain text, with empty lines between paragraphs.';
comment on column shows.image_url is 'Where a picture for the page of the show is.';
comment on column shows.doors_at is 'When the doors open.';
comment on column shows.ends_at is 'When it is over. Without it a show counts as over when it starts.';
comment on column shows.sales_close_at is
    'When sales end: at sales_end_at, else when the show starts; never later than its end.';
comment on table shows is 'One performance in one plan version. move_show_atomic takes it to another version of the plan.';
