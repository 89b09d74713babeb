"""Inside the child process: calls the objective. It has no database connection and knows no password."""
