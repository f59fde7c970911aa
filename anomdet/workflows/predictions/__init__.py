"""A job of `anomdet predict`: what is asked, the loop, its journal, and what is made of it."""
