"""Reports of credit agencies: whom we may ask, in which order, at what price, and what came of it. docs/bureau.md."""
