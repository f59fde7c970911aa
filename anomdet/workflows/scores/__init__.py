"""The normal-only score of a run: learned, kept in a checkpoint or an export, and opened."""
