# What run, start and stop share; sourced, never run. A node is one store process over one directory:
#
#   DIR/data   its own files        DIR/log   its stdout and stderr
#   DIR/pid    its process id       DIR/node  url=, pid=, log= once it answers
#
# No wait here is for a time: each is for a condition, looked at every 50 ms, with a limit that is a failure.

say() { printf 'stores: %s\n' "$*"; }
fail() {
  printf 'stores: %s\n' "$*" >&2
  exit 1
}

node_dir() {
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  log=$dir/log
  if [ -e "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; then fail "a node is running over $dir already"; fi
  rm -f "$dir/pid" "$dir/node"
}

# launch COMMAND...: in the background, in a process group of its own, so that a Ctrl-C at the terminal reaches only
# the caller, who ends the node in order. Should this script end before the node answers, the node goes with it.
launch() {
  trap 'stop_node "$dir" KILL' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  # There before anybody looks into it, also where the shell in the background comes late.
  : >"$log"
  set -m
  "$@" </dev/null >"$log" 2>&1 &
  echo $! >"$dir/pid"
  disown
  set +m
}

# await_url NAMER PATH: until NAMER prints the node's url and PATH answers there with a success.
await_url() {
  local namer=$1 path=$2 pid url='' tries
  pid=$(cat "$dir/pid")
  for ((tries = 0; tries < 2400; tries++)); do
    if ! kill -0 "$pid" 2>/dev/null; then
      tail -n 30 "$log" >&2
      fail "the node over $dir ended before it answered; the end of its log is above"
    fi
    [ -n "$url" ] || url=$("$namer")
    if [ -n "$url" ] && answers "$url" "$path"; then
      trap - EXIT INT TERM
      printf 'url=%s\npid=%s\nlog=%s\n' "$url" "$pid" "$log" | tee "$dir/node"
      return
    fi
    sleep 0.05
  done
  tail -n 30 "$log" >&2
  fail "the node over $dir did not answer within two minutes; the end of its log is above"
}

# answers URL PATH: whether GET gives a 2xx. Bash's own sockets, so that not even curl is needed.
answers() {
  local status='' hostport=${1#http://}
  {
    printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$2" "$hostport" >&3
    read -r -t 10 _ status _ <&3
  } 3<>"/dev/tcp/${hostport%:*}/${hostport#*:}" 2>/dev/null || return 1
  [[ $status == 2?? ]]
}

stop_node() {
  local pid tries
  [ -e "$1/pid" ] || return 0
  pid=$(cat "$1/pid")
  kill -s "${2:-TERM}" "$pid" 2>/dev/null || true
  for ((tries = 0; tries < 400; tries++)); do
    if ! alive "$pid"; then
      rm -f "$1/pid"
      return 0
    fi
    sleep 0.05
  done
  kill -s KILL "$pid" 2>/dev/null || true
  rm -f "$1/pid"
}

# A zombie waits for its parent only and is gone for our purposes.
alive() { kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }
