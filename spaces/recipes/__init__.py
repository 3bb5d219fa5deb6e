"""The parts of a training recipe: data, losses, optimizers and schedules."""
