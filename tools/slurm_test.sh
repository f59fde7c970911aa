#!/usr/bin/env bash
# As MMDetection's: tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]
# GPUS (of all nodes, default 8), GPUS_PER_NODE (default 8), CPUS_PER_TASK (of a GPU, default 5), PORT, SRUN_ARGS.
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]" >&2
    exit 2
fi
SCRIPT=$(dirname "$0")/test.py exec bash "$(dirname "$0")/slurm_train.sh" "$1" "$2" "$3" "${@:4}"
