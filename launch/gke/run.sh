#!/usr/bin/env bash
# Starts a run on the TPUs of a GKE cluster, with an image made from launch/gke/Dockerfile:
#
#   IMAGE=REGISTRY/gan_ssl ACCELERATOR=tpu-v5-lite-podslice TOPOLOGY=4x4 HOSTS=4 CHIPS=4 \
#       launch/gke/run.sh NAME --config=configs/op_gan.py --workdir=gs://BUCKET/RUN [...]
#
# CHIPS are those of one host. Shown by `kubectl logs -f -l jobset.sigs.k8s.io/jobset-name=NAME`, ended by
# `kubectl delete jobset NAME`; the same command again goes on. DRY_RUN=1 prints what would be applied.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
name=$1
shift
case " $* " in *" --workdir=gs://"*) ;; *) echo "error: --workdir must be gs://BUCKET/RUN" >&2; exit 2 ;; esac

# JSON, which YAML understands.
quote() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

args=""
for arg; do args+="${args:+, }$(quote "$arg")"; done
text=$(cat "$(dirname "$0")/jobset.yaml")
text=${text//@NAME@/"$name"}
for word in IMAGE ACCELERATOR TOPOLOGY; do
  text=${text//"@$word@"/"$(quote "${!word:?set $word, see the head of this script}")"}
done
for word in HOSTS CHIPS; do
  text=${text//"@$word@"/"${!word:?set $word, see the head of this script}"}
done
text=${text//@ARGS@/"[$args]"}
if [ "${DRY_RUN:-0}" != 0 ]; then
  printf '%s\n' "$text"
else
  kubectl delete jobset "$name" --ignore-not-found # one that has ended is in the way of its successor
  kubectl apply -f - <<< "$text"
fi
