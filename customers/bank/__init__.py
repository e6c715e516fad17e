"""Bank data of customers: consents, feeds in, and every read of it logged."""
