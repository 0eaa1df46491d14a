"""Names of files, which anyone may have chosen, for messages of one line."""

SHOWN = 12


def shown(name: str) -> str:
    """The name, with what would break the line, move the cursor or not encode at all escaped."""
    return name if name.isprintable() else ascii(name)


def first_of(items: list[str]) -> str:
    """The first few of them, and how many more there are."""
    more = len(items) - SHOWN
    return "; ".join(items[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
