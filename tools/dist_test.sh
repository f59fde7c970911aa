#!/usr/bin/env bash
# As MMDetection's: tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]
# Several machines: the same command on each, with NNODES, NODE_RANK, MASTER_ADDR and PORT (default 29500) set.
# On one machine PORT is a free one by default, so that several trainings may run side by side.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of tools/test.py]" >&2
    exit 2
fi
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
PYTHON=${PYTHON:-python}
if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
    PORT=$("$PYTHON" -c 'import socket; free = socket.create_server(("127.0.0.1", 0)); print(free.getsockname()[1])')
fi

"$PYTHON" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --nproc_per_node="$GPUS" \
    --master_port="${PORT:-29500}" \
    "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "${@:4}"
