"""The shared language: frozen types, parsed once at the edge, pure.

Nothing in this package starts a program, opens a connection or writes a file.
"""
