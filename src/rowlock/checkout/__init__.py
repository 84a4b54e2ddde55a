"""Checkout: orders, their payments at providers, refunds, the outbox, and tickets as codes and documents."""
