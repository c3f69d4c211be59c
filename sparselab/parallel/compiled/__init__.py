"""Workers that push and pull in compiled code, without the interpreter."""
