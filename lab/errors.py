class LabError(Exception):
    """The lab could not do what it was asked; the message says what and, where known, what to do."""
