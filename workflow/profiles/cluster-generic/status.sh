#!/usr/bin/env bash
# status.sh NUMBER: prints running, success or failed for a job of Slurm.
# While the queue or the accounts do not answer nobody knows: then it says running, and is asked again. A job that the
# queue has forgotten is looked up in the accounts; one of which no account is kept is over, and not known to be good.
job=$1
state=$(squeue --noheader --states=all --jobs="$job" --format=%T 2>&1) || case $state in
  *"Invalid job id"*) state= ;;
  *) state=unknown ;;
esac
if [ -z "$state" ]; then
  state=$(sacct --allocations --noheader --parsable2 --jobs="$job" --format=State 2>&1) || case $state in
    *"accounting storage is disabled"*) state=LOST ;;
    *) state=unknown ;;
  esac
fi
case $(head -n 1 <<<"${state:-LOST}") in
  COMPLETED) echo success ;;
  BOOT_FAIL | CANCELLED* | DEADLINE | FAILED | LOST | NODE_FAIL | OUT_OF_MEMORY | PREEMPTED | REVOKED | TIMEOUT) echo failed ;;
  *) echo running ;;
esac
