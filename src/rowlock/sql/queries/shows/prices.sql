select category, price_type, amount_minor from rowlock.show_prices where show_id = %s order by category, price_type
