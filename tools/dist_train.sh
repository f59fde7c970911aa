#!/usr/bin/env bash
# As MMDetection's: tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
# Several machines: the same command on each, with NNODES, NODE_RANK, MASTER_ADDR and PORT (default 29500) set.
# On one machine PORT is a free one by default (torchrun's --standalone), so that several trainings may run side by side.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of tools/train.py]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2
PYTHON=${PYTHON:-python}
if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
    MEETING=(--standalone --local_addr=127.0.0.1)
else
    MEETING=(--nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}")
    MEETING+=(--master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}")
fi

"$PYTHON" -m torch.distributed.run "${MEETING[@]}" --nproc_per_node="$GPUS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "${@:3}"
