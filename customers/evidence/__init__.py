"""Facts about customers from outside our ledger, taken in from files: accounts, legal events, supplier days."""
