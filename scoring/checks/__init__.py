"""Credit checks: may this order, delivery or invoice be, and if not, why and what cures it."""
