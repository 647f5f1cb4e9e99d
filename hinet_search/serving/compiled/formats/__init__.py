"""Formats: one file each, which writes programs as graphs and runs them.

IS_CODE     whether opening a graph runs machine code of the folder
require     refuses what is missing to write graphs
write       writes a graph for each program
opened      opens a graph, to score encoded rows
reads_alike whether the format's reader of tables, if it has one, scores raw rows alike
"""
