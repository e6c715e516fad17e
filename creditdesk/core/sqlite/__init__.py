"""Django's SQLite backend, except that altering a table leaves its guards (triggers) in place."""
