"""What every message of an error must be."""

__all__ = ["check_line"]


def check_line(error, longest=600):
    """Assert that an error says what is wrong in one line that is not too long."""
    assert "\n" not in str(error)
    assert len(str(error)) < longest
