"""The training itself, as plugins of MMEngine: runner, loops, hooks, checkpoints, many processes."""
