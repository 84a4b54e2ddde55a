"""HTTP without a noun: the fast path, the middleware, problems, sessions, and the OpenAPI document."""
