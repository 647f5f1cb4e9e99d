"""Formats: one file each, a library whose trainer runs what is written.

OFFSET   what is added to ids: that library keeps as many for itself
NOTE     how its trainer is run, as Markdown with the places `folder` and `name`
name_of  returns the name of what is trained
write    writes the configuration into a folder, and returns what it cannot say
"""
