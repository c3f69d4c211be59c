"""Pushes and pulls in compiled code, without the interpreter."""
