#!/usr/bin/env python
"""Entry point of every command."""

import gc
import os
import sys
from pathlib import Path


def main() -> None:
    # What is imported stays: the collector of garbage looks at it in vain, for a fifth of the start. It is switched on
    # again once everything is there (creditdesk/apps.py).
    gc.disable()
    # The apps under collections/ are top-level import names: that folder is never a package.
    sys.path.insert(1, str(Path(__file__).resolve().parent / "collections"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "creditdesk.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
