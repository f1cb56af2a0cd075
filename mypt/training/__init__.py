"""Training: the loop, and beside it schedule, gold, evaluation, numerics, optimizer and checkpointing, a file each."""
