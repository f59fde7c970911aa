"""How long a run takes here: ``training.minutes``, and what `anomdet init` says of it."""
