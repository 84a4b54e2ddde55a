"""What Rowlock does, in terms of its nouns: the services own the transactions and know nothing of HTTP."""
