"""Payment providers: what one has to do (`protocol`), and those that come with Rowlock."""
