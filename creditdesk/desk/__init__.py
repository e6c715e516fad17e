"""The pages of the desk that belong to no single app: role homes, the customer page, profile and language."""
