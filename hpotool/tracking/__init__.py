"""Is told about trials and can never fail one."""
