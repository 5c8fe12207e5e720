#!/usr/bin/env bash
# A run on a Cloud TPU, one host or a pod of many:
#
#   export ZONE=us-central1-a ACCELERATOR=v5litepod-16 RUNTIME=v2-alpha-tpuv5-lite SPOT=1
#   launch/tpu_pod.sh create NAME      makes the TPU's virtual machines (SPOT=1: cheap ones that can be preempted)
#   launch/tpu_pod.sh install NAME     copies this checkout there and installs it
#   launch/tpu_pod.sh start NAME --config=configs/op_gan.py --workdir=gs://BUCKET/RUN [...]
#   launch/tpu_pod.sh follow NAME --config=...   shows the log until the run ends; resumes it until then
#   launch/tpu_pod.sh resume NAME --config=...   makes what was preempted again, installs and starts; once
#   launch/tpu_pod.sh delete NAME
#
# follow and resume take the arguments of start. follow ends with the run's own code: 0 done, 2 for you to mend.
# The work directory must be in a bucket: the disks go with the machines.
set -euo pipefail

usage() { sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
command=$1 name=$2
shift 2
zone=${ZONE:?set ZONE, as in us-central1-a}
root=$(cd "$(dirname "$0")/.." && pwd)
tpu=(gcloud compute tpus tpu-vm)

# Prints READY, PREEMPTED, TERMINATED, ...; nothing where there is no such TPU.
state() { "${tpu[@]}" describe "$name" --zone="$zone" --format='value(state)' 2>/dev/null || true; }

on() { "${tpu[@]}" ssh "$name" --zone="$zone" --worker="$1" --command="$2"; }

create() {
  local spot=()
  [ "${SPOT:-0}" = 0 ] || spot=(--spot)
  "${tpu[@]}" create "$name" --zone="$zone" --accelerator-type="${ACCELERATOR:?set it, as in v5litepod-16}" \
    --version="${RUNTIME:?set it, as in v2-alpha-tpuv5-lite}" ${spot[@]+"${spot[@]}"}
}

delete() { "${tpu[@]}" delete "$name" --zone="$zone" --quiet; }

install() {
  local packed
  packed=$(mktemp -d)
  git -C "$root" ls-files -z | tar -C "$root" --null -T - -czf "$packed/gan_ssl.tar.gz"
  "${tpu[@]}" scp "$packed/gan_ssl.tar.gz" "$name:" --zone="$zone" --worker=all
  rm -r "$packed"
  on all "set -e; mkdir -p gan_ssl; tar -xzf gan_ssl.tar.gz -C gan_ssl
    command -v python3.11 >/dev/null || { sudo apt-get update -q; sudo apt-get install -qy python3.11 python3.11-venv; }
    python3.11 -m venv venv; venv/bin/pip install -q -e 'gan_ssl[tpu,gcs]'"
}

start() {
  case " $* " in *" --workdir=gs://"*) ;; *) echo "error: --workdir must be gs://BUCKET/RUN" >&2; exit 2 ;; esac
  local train
  train="cd gan_ssl && ../venv/bin/python launch/train.py$(printf ' %q' "$@")"
  # What is left of an earlier start is told to save and end first.
  on all "[ ! -e run.pid ] || { kill -- -\$(cat run.pid) && timeout 60 tail --pid=\$(cat run.pid) -f /dev/null; } 2>/dev/null
    rm -f run.exit; setsid nohup bash -c $(printf %q "($train); echo \$? > ~/run.exit") > run.log 2>&1 < /dev/null &
    echo \$! > run.pid"
}

resume() {
  local now
  now=$(state)
  case $now in
    READY) ;;
    CREATING | STARTING | RESTARTING | REPAIRING | STOPPING | DELETING)
      echo "$name is $now: try again later" >&2
      return 1
      ;;
    *)
      echo "$name is ${now:-gone}: making it again" >&2
      [ -z "$now" ] || delete
      create
      install
      ;;
  esac
  start "$@"
}

follow() {
  local code
  while true; do
    if [ "$(state)" = READY ]; then
      on 0 "timeout 3600 tail -n 20 --pid=\$(cat run.pid) -f run.log" || true
      code=$(on 0 "cat run.exit 2>/dev/null || { kill -0 \$(cat run.pid) && echo running || echo gone; } 2>/dev/null") || code=
      case $code in
        75 | gone) echo "interrupted: starting again" >&2 ;;
        running | '' | *[!0-9]*) # '': unreachable, as when it is being preempted
          sleep "${PAUSE:-30}"
          continue
          ;;
        *) return "$code" ;;
      esac
    fi
    until "$0" resume "$name" "$@"; do # there is no capacity, or it was preempted again meanwhile
      echo "not resumed; trying again" >&2
      sleep "${PAUSE:-30}"
    done
  done
}

case $command in
  create | install | start | follow | resume | delete) "$command" "$@" ;;
  *) usage ;;
esac
