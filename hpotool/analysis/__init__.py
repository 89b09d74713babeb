"""Questions about a study, answered as plain data; prints nothing."""
