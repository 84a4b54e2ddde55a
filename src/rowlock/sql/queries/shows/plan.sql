select plan_id, name, version, seats_total, layout from rowlock.seating_plans where plan_id = %s
