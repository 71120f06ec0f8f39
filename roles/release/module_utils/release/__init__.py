"""What the module `release_archive` is made of."""


class ReleaseError(Exception):
    """A release cannot be built; the message says what happened, why, and what to do."""
