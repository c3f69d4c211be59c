"""Names for the columns of the tables that compiled programs read."""

# `table` (layers, FIELDS) int64: sizes and addresses of each layer's arrays (V, VB and V2, VB2: what the optimizer keeps for
# links and biases), the dropout threshold of its outputs, and the masks of `entries.masks_of` (0: none)
N_IN, N_OUT, NNZ, INDPTR, INDICES, W, V, B, VB, V2, VB2, INDPTR_T, ROWS_T, SLOTS_T, THRESHOLD, MASKS, FIELDS = range(17)
# `coefficients` (layers, COEFFICIENTS) float32: the two slopes of the activation, and the factor of what dropout keeps
LEFT, RIGHT, SCALE, COEFFICIENTS = range(4)
# `buffers` (workspaces, BUFFERS, layers + 1) int64: addresses of a tile's buffers; layer 0 is the input
ACTIVATIONS, SIGN_BITS, DROPOUT_BITS, BUFFERS = range(4)
# `phases` (threads, PHASES) int64: nanoseconds
GATHER, FORWARD, BACKWARD, WAIT, UPDATE, PHASES = range(6)
# `settings` float64: the optimizer's numbers; COUNT: steps before the first of the call
MOMENTUM, DECAY, BIAS_DECAY, NESTEROV, SETTINGS = range(5)
DAMPENING, COUNT, SGD_SETTINGS = range(SETTINGS, SETTINGS + 3)
BETA1, BETA2, EPSILON, ADAM_DECAY, DECOUPLED, ADAM_COUNT, ADAM_SETTINGS = range(7)
# … and before them, where gradients are clipped: the largest norm; and, as int64, the addresses of the update's kernel, of a
# counter at which the threads meet, and of float64 for the sums of squares, one for each CHUNK of a layer's links and biases
CLIP_NORM, CLIP_UPDATE, CLIP_COUNTER, CLIP_SQUARES, CLIP_SETTINGS = range(5)
# `cuts` (layers, 2, parts + 1) int64: where each part's output neurons and input neurons begin
BY_OUTPUT, BY_INPUT = range(2)
