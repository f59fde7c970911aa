"""``anomdet visualize`` under the name that the data owner knows: python visualize.py --config configs/default.yaml"""

import sys

from anomdet.cli.main import main

if __name__ == "__main__":
    main(["visualize", *sys.argv[1:]])
