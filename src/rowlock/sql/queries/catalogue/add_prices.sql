insert into rowlock.show_prices (show_id, category, price_type, amount_minor)
select %(show_id)s, p.category, 'adult', p.amount_minor
from unnest(%(categories)s::integer[], %(amounts_minor)s::bigint[]) as p (category, amount_minor)
