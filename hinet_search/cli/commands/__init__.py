"""Commands: one file each, named after its command.

The first line of a file's docstring is the group and the help of its command.
"""
