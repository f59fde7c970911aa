"""``anomdet train`` under the name that the data owner knows: python train.py --config configs/default.yaml"""

import sys

from anomdet.cli.main import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
