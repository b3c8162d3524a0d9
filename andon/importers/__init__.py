"""Importers: files of other systems, read into NumPy arrays or into andon's graphs.

Each module reads one format, and none is imported before it is asked for. What is read is
hostile until checked: a file that is not what it claims to be raises FileFormatError.
"""
