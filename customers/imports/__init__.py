"""Ledger imports: a file and a saved mapping in, facts out; see docs/imports.md.

run.py       the one way through: read, check, stage, match, and write when asked to
spec.py      what a mapping says (columns, formats, constants), validated
reading.py   CSV and XLSX as a stream of rows
columns.py   a column's cells to values; checking.py: a row's cells to staged rows
staging.py   the temporary tables, on both databases
matching.py  what the staged rows mean against each other and against the ledger
writing.py, correcting.py, snapshots.py, allocating.py, undo.py: what a commit does
"""
