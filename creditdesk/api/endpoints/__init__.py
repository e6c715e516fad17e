"""Thin endpoints: each reads the request, calls the rule, and says what came out."""
