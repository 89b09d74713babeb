"""All access to studies through SQL."""
