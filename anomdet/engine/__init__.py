"""The training itself, as plugins of MMEngine: runner, loops, hooks, checkpoints, many processes."""

__all__ = [
    "checkpoint",
    "contracts",
    "distributed",
    "hooks",
    "mixed_precision",
    "plain_state",
    "registered_names",
    "resume",
    "run_state",
    "timing",
    "weights",
]
