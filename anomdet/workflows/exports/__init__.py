"""An export: what it starts from, the images it is judged by, and the proof that it decides the same."""
