# shellcheck shell=bash
# How the script speaks, and how it calls the az CLI.

# Nobody else may read it, and it goes when the script ends, however that happens.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

say() {
  printf '%s\n' "$*"
}

step() {
  printf '\n== %s\n' "$*"
}

# fail WHAT-WAS-FOUND NEXT-STEP…
fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  local next
  for next in "$@"; do
    printf ' next: %s\n' "$next" >&2
  done
  exit 1
}

# The az CLI in the chosen subscription. What it complains about is kept in $complaint.
azure() {
  local status=0
  command az "$@" ${subscription:+--subscription "$subscription"} --only-show-errors 2>"$scratch/errors" || status=$?
  complaint=$(<"$scratch/errors")
  return "$status"
}

# read_azure NAME ARGUMENT…: what az prints, in the variable NAME. A subshell would lose $complaint.
read_azure() {
  local -n printed=$1
  shift
  local status=0
  azure "$@" >"$scratch/output" || status=$?
  # shellcheck disable=SC2034  # the caller reads it by its own name
  printed=$(<"$scratch/output")
  rm -f "$scratch/output"
  return "$status"
}

# Tries, and seconds between them, for what Azure takes minutes to make known everywhere.
tries=${DEPLOY_TRIES:-10}
wait_seconds=${DEPLOY_WAIT_SECONDS:-30}

# retry WHAT COMMAND…: until the command succeeds or the tries are used up.
retry() {
  local what=$1 try
  shift
  for ((try = 1; try <= tries; try++)); do
    "$@" && return
    ((try == tries)) && break
    say "$what: not yet, try $try of $tries; again in $wait_seconds s"
    sleep "$wait_seconds"
  done
  return 1
}

# az's complaint on one line, without its own `ERROR:`.
complaint_line() {
  local text=${complaint#ERROR: }
  text=${text//$'\n'/ }
  printf '%s' "${text:0:600}"
}
