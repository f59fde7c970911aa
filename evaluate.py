"""``anomdet evaluate`` under the name that the data owner knows: python evaluate.py --config configs/default.yaml"""

import sys

from anomdet.cli.main import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
