"""The network and its parts: layers, activations, losses, initializers, optimizers and schedules."""
