"""Columns of the tables that compiled programs are told where things stand by."""

# columns of `table` (int64): sizes, then addresses
N_IN, N_OUT, NNZ, INDPTR, INDICES, W, V, B, VB, INDPTR_T, ROWS_T, SLOTS_T, THRESHOLD, FIELDS = range(14)
# columns of `coefficients` (float32)
LEFT, RIGHT, SCALE, COEFFICIENTS = range(4)
# rows of a thread's `places` (int64 addresses a level; level 0 is the input)
ACTIVATIONS, ON, KEPT, PLACES = range(4)
# columns of `phases` (int64 nanoseconds a thread)
GATHER, FORWARD, BACKWARD, WAIT, UPDATE, PHASES = range(6)
# columns of `settings` (float64): the optimiser's numbers
MOMENTUM, DECAY, BIAS_DECAY, NESTEROV, SETTINGS = range(5)
# rows of `cuts` (layers, 2, parts + 1): where each part's output neurons and input neurons begin
BY_OUTPUT, BY_INPUT = range(2)
