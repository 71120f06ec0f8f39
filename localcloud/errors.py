"""The one error that is meant for the person at the keyboard."""


class LocalCloudError(Exception):
    """What happened: why, then the command to type. Printed as is, without a traceback."""
