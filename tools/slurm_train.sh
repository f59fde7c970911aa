#!/usr/bin/env bash
# As MMDetection's: tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]
# GPUS (of all nodes, default 8), GPUS_PER_NODE (default 8), CPUS_PER_TASK (of a GPU, default 5), PORT, SRUN_ARGS.
# One torchrun a node; they find each other on the job's first node. A node that fails is waited for: MAX_RESTARTS.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG [arguments of tools/train.py]" >&2
    exit 2
fi
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
[ "$GPUS_PER_NODE" -le "$GPUS" ] || GPUS_PER_NODE=$GPUS
NODES=$(((GPUS + GPUS_PER_NODE - 1) / GPUS_PER_NODE))
export CONFIG GPUS_PER_NODE NODES PORT="${PORT:-29500}" MAX_RESTARTS="${MAX_RESTARTS:-0}" PYTHON="${PYTHON:-python}"
export SCRIPT="${SCRIPT:-$(dirname "$0")/train.py}" # tools/slurm_test.sh names another

# shellcheck disable=SC2016,SC2086 # the variables are the node's; SRUN_ARGS are several words
srun -p "$PARTITION" --job-name="$JOB_NAME" --nodes="$NODES" --ntasks="$NODES" --ntasks-per-node=1 \
    --gres="gpu:$GPUS_PER_NODE" --cpus-per-task="$((${CPUS_PER_TASK:-5} * GPUS_PER_NODE))" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    bash -c '"$PYTHON" -m torch.distributed.run --nnodes="$NODES" --nproc_per_node="$GPUS_PER_NODE" \
        --max-restarts="$MAX_RESTARTS" --rdzv-backend=c10d --rdzv-id="${SLURM_JOB_ID:-0}" \
        --rdzv-endpoint="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):$PORT" \
        "$SCRIPT" "$CONFIG" "$@" --launcher pytorch' bash "${@:4}"
