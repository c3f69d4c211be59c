"""The network: layers, activations, losses, initializers, optimizers, schedules."""
