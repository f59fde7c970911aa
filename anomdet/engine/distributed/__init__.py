"""Many processes watch each other: who hangs, who died, when all of them stop, and what each has to warn of.

``place.py`` where a process stands, ``judge.py`` which one keeps the others waiting, ``board.py`` the store that all of
them read and write, ``stop.py`` the step after which all stop, ``watch.py`` the two threads that do it.
"""
