"""Checkout: orders, payments and refunds. Tables and SQL functions exist; there are no endpoints yet."""
