"""The API under /api/v1/: a frame (keys, throttle, idempotency, problems, pages, schema) and thin endpoints."""
