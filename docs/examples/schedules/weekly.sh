#!/bin/sh
# The weekly job for schedulers that know no retries (cron, a CI runner).
#
# Exit codes of `perennial score`, and what follows from each:
#   0       published, or this very input was published before: go on
#   69, 75  something does not answer, or somebody else is at work: tried again
#   65      data refused, or a gate held the run: somebody has to look; trying again changes nothing
#   others  a full disk, a wrong setting, a bug: somebody has to look
set -u

: "${PERENNIAL_WORKSPACE:?the folder of perennial.toml}"
: "${PERENNIAL_TRIES:=4}"
: "${PERENNIAL_WAIT_SECONDS:=1200}"

again() {
  try=1
  while :; do
    "$@"
    code=$?
    case $code in
      69 | 75) [ "$try" -lt "$PERENNIAL_TRIES" ] || return "$code" ;;
      *) return "$code" ;;
    esac
    try=$((try + 1))
    sleep "$PERENNIAL_WAIT_SECONDS"
  done
}

cd "$PERENNIAL_WORKSPACE" || exit 66
again perennial score --json || exit $?
perennial digest --out digest.html || exit $?
again perennial alerts send
