"""HTTP shared by all features: the fast path, the middleware, problems, sessions, and the OpenAPI document."""
