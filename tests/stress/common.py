"""What every harness gives back: rows of a table, a promise each."""

from collections import namedtuple

# what is promised, the figure found and the goal (texts for people), whether it was reached, the command that finds it again
Row = namedtuple("Row", "what figure goal good command")
