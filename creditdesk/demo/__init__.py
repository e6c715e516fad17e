"""Story data: a made-up book of customers with recognisable characters, at any size, and the one-command demo."""
