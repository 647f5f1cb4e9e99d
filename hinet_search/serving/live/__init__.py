"""Live: the log of a served model goes on with events, one by one."""
