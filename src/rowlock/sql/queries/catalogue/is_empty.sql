-- Whether nothing was ever published here.
select not exists (select from rowlock.seating_plans) and not exists (select from rowlock.shows)
