"""``python -m anomdet``: the command line, where the script ``anomdet`` is not on the path."""

from anomdet.cli.main import main

if __name__ == "__main__":
    main()
