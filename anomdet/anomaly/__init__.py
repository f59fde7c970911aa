"""The normal-only score: how far an image lies from the normal ones, where, and from which distance on it is rejected."""
