#!/usr/bin/env bash
# A run on a Slurm cluster, from the checkout, with a work directory that all nodes share:
#
#   sbatch --nodes=2 --ntasks-per-node=8 --gpus-per-node=8 --time=12:00:00 launch/slurm.sh \
#       --config=configs/op_gan.py --workdir=/shared/runs/mine [...]
#
# One task a GPU. PYTHON names the interpreter (a virtual environment's, on a shared disk).
# Two minutes before the time limit, and on preemption, the run saves and ends with 75; the job is then queued again
# and goes on. Ended with scancel it stays ended; what you can mend ends it with code 2.
#SBATCH --job-name=gan_ssl
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=gan_ssl-%j.log
set -uo pipefail

[ -n "${SLURM_JOB_ID:-}" ] || { echo "error: submit this with sbatch, see the head of $0" >&2; exit 2; }
cd "${SLURM_SUBMIT_DIR:?}" || exit 2
[ -f launch/train.py ] || { echo "error: $PWD has no launch/train.py; submit from the checkout" >&2; exit 2; }

# The tasks get the signal from Slurm. Sent on from here it would be their second one, which ends them unsaved.
trap : TERM
srun "${PYTHON:-python}" launch/train.py "$@" &
step=$!
while true; do
  wait "$step"
  code=$?
  kill -0 "$step" 2>/dev/null || break # else it was the trap that woke us
done

# After scancel, and where Slurm queues a preempted job again by itself, the job is no longer RUNNING.
if [ "$code" = 75 ] && [ "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)" = RUNNING ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
