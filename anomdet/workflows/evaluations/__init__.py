"""What an evaluation reads and leaves, whatever detector it is of."""
