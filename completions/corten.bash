# Written by the target corten_reference from src/cli/table.cc.
_corten() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= words= at=1
  local root=()
  COMPREPLY=()
  while [ "$at" -lt "$COMP_CWORD" ]; do
    case ${COMP_WORDS[at]} in
      --root) root=(--root "${COMP_WORDS[at+1]}"); at=$((at + 2)) ;;
      --log) at=$((at + 2)) ;;
      --log-format) at=$((at + 2)) ;;
      --log-level) at=$((at + 2)) ;;
      --cgroup-manager) at=$((at + 2)) ;;
      --criu) at=$((at + 2)) ;;
      -*) at=$((at + 1)) ;;
      *) command=${COMP_WORDS[at]}; break ;;
    esac
  done
  case $command in
    '')
      case $prev in
        --root) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --log) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --log-format) COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
        --log-level) :; return ;;
        --cgroup-manager) :; return ;;
      esac
      words='--root --log --log-format --log-level --debug --systemd-cgroup -s --cgroup-manager --version -v --help -h create start state kill delete run list exec pause resume ps update events mounts spec features checkpoint restore help'
      ;;
    create)
      case $prev in
        --bundle | -b) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --config | -f) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --console-socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --pidfd-socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --pid-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --preserve-fds) :; return ;;
      esac
      words='--bundle -b --config -f --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds --dry-run --help -h'
      ;;
    start)
      words='--help -h'
      ;;
    state)
      words='--help -h'
      ;;
    kill)
      words='--all -a --regex -r --help -h'
      ;;
    delete)
      words='--force -f --regex -r --help -h'
      ;;
    run)
      case $prev in
        --bundle | -b) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --config | -f) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --console-socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --pidfd-socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --pid-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --preserve-fds) :; return ;;
      esac
      words='--detach -d --keep --bundle -b --config -f --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds --dry-run --help -h'
      ;;
    list)
      case $prev in
        --format | -f) COMPREPLY=($(compgen -W 'table json' -- "$cur")); return ;;
      esac
      words='--format -f --quiet -q --help -h'
      ;;
    exec)
      case $prev in
        --process | -p) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --console-socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --pid-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --pidfd-socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --preserve-fds) :; return ;;
        --cwd) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --env | -e) :; return ;;
        --user | -u) :; return ;;
        --additional-gids | -g) :; return ;;
        --cap | -c) :; return ;;
        --apparmor) :; return ;;
        --process-label) :; return ;;
        --umask) :; return ;;
        --cgroup) :; return ;;
      esac
      words='--process -p --detach -d --tty -t --console-socket --pid-file --pidfd-socket --preserve-fds --cwd --env -e --user -u --additional-gids -g --cap -c --apparmor --process-label --no-new-privs --umask --cgroup --ignore-paused --help -h'
      ;;
    pause)
      words='--help -h'
      ;;
    resume)
      words='--help -h'
      ;;
    ps)
      case $prev in
        --format | -f) COMPREPLY=($(compgen -W 'table json' -- "$cur")); return ;;
      esac
      words='--format -f --help -h'
      ;;
    update)
      case $prev in
        --resources | -r) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --blkio-weight) :; return ;;
        --cpu-period) :; return ;;
        --cpu-quota) :; return ;;
        --cpu-burst) :; return ;;
        --cpu-share) :; return ;;
        --cpu-rt-period) :; return ;;
        --cpu-rt-runtime) :; return ;;
        --cpu-idle) COMPREPLY=($(compgen -W '0 1' -- "$cur")); return ;;
        --cpuset-cpus) :; return ;;
        --cpuset-mems) :; return ;;
        --memory) :; return ;;
        --memory-reservation) :; return ;;
        --memory-swap) :; return ;;
        --pids-limit) :; return ;;
        --l3-cache-schema) :; return ;;
        --mem-bw-schema) :; return ;;
      esac
      words='--resources -r --blkio-weight --cpu-period --cpu-quota --cpu-burst --cpu-share --cpu-rt-period --cpu-rt-runtime --cpu-idle --cpuset-cpus --cpuset-mems --memory --memory-reservation --memory-swap --pids-limit --l3-cache-schema --mem-bw-schema --help -h'
      ;;
    events)
      case $prev in
        --interval) :; return ;;
      esac
      words='--stats --interval --help -h'
      ;;
    mounts)
      words='--help -h'
      ;;
    spec)
      case $prev in
        --bundle | -b) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --file | -f) COMPREPLY=($(compgen -f -- "$cur")); return ;;
      esac
      words='--bundle -b --file -f --rootless --help -h'
      ;;
    features)
      words='--help -h'
      ;;
    checkpoint)
      case $prev in
        --image-path) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --work-path) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --parent-path) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --manage-cgroups-mode) COMPREPLY=($(compgen -W 'soft full strict ignore' -- "$cur")); return ;;
        --empty-ns) :; return ;;
        --status-fd) :; return ;;
        --page-server) :; return ;;
        --network-lock) COMPREPLY=($(compgen -W 'iptables nftables skip' -- "$cur")); return ;;
      esac
      words='--image-path --work-path --leave-running --pre-dump --parent-path --tcp-established --tcp-skip-in-flight --ext-unix-sk --shell-job --file-locks --link-remap --manage-cgroups-mode --empty-ns --lazy-pages --status-fd --page-server --auto-dedup --network-lock --help -h'
      ;;
    restore)
      case $prev in
        --bundle | -b) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --image-path) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --work-path) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --pid-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --console-socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --manage-cgroups-mode) COMPREPLY=($(compgen -W 'soft full strict ignore' -- "$cur")); return ;;
        --empty-ns) :; return ;;
        --network-lock) COMPREPLY=($(compgen -W 'iptables nftables skip' -- "$cur")); return ;;
        --lsm-profile) :; return ;;
        --lsm-mount-context) :; return ;;
      esac
      words='--bundle -b --image-path --work-path --detach -d --pid-file --console-socket --tcp-established --tcp-close --ext-unix-sk --shell-job --file-locks --manage-cgroups-mode --empty-ns --lazy-pages --auto-dedup --network-lock --lsm-profile --lsm-mount-context --help -h'
      ;;
    help) words='create start state kill delete run list exec pause resume ps update events mounts spec features checkpoint restore help' ;;
  esac
  if [ -n "$command" ] && [ "${cur:0:1}" != - ] && [ "$command" != help ]; then
    words=$(corten "${root[@]}" list --quiet 2>/dev/null)
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _corten corten
