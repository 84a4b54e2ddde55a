-- seating_plan_checksums: what the checksum of each plan version has to be, computed from what is stored.
--
-- SHA-256 over the layout and over every seat in order of seat_id. jsonb has one text form per value, and coordinates
-- are hashed as their bits, so no session setting changes the checksum. It reads every seat of the plans selected.
create or replace view rowlock.seating_plan_checksums as
select
    p.plan_id,
    sha256(
        convert_to(
            p.layout::text || E'\n' || (
                select
                    coalesce(
                        string_agg(
                            jsonb_build_array(
                                s.seat_id, s.row_no, s.run_no, s.position, s.number, s.label,
                                encode(float8send(s.x), 'hex'), encode(float8send(s.y), 'hex'),
                                s.category, s.kind, s.source_id
                            )::text,
                            E'\n' order by s.seat_id
                        ),
                        ''
                    )
                from rowlock.seats as s
                where s.plan_id = p.plan_id
            ),
            'UTF8'
        )
    ) as checksum
from rowlock.seating_plans as p;
comment on view rowlock.seating_plan_checksums is 'SHA-256 of each plan version as it is stored now; seating_plans keeps the one it was published with.';
