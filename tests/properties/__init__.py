"""Properties that hold whatever is drawn. `make fuzz` draws far more than a run of the suite."""

import os


def examples(few: int) -> int:
    """How many examples to draw: few in the suite, where the next ones take the same paths; many times that on demand."""
    return few * int(os.environ.get("EXAMPLES_TIMES", "1"))
