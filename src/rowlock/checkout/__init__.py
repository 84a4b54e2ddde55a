"""Checkout: orders, payments and refunds. The tables and `complete_order_atomic` are there; no endpoints yet."""
