"""The schema and its versions: migrations, functions and views, roles, and the ways back."""
