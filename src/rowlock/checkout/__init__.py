"""Checkout: orders, payments and refunds. The tables and `complete_order_atomic` exist; there are no endpoints yet."""
