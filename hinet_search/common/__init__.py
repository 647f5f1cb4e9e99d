"""Common: what every package may use: errors, atomic files, retries, plug-ins."""
