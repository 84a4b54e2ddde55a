"""Payment providers: what one has to do (`payment_provider`), and those that come with Rowlock."""
