"""Settings of the bench's releases."""

SETTINGS = {"SERVER_MAX_CONNECTION_AGE": "5", "SERVER_MAX_CONNECTION_AGE_GRACE": "5"}
# Two releases take turns: the same code with another setting.
TURNS = ({"SERVER_STOP_GRACE": "4"}, {"SERVER_STOP_GRACE": "5"})
