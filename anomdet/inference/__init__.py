"""The detector at work: what it knows of itself, and how an image becomes a result."""
