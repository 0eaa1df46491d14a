# What tests/cluster/up and down have in common.
FOLDER=$(realpath -m "${1:-/tmp/pqgan-slurm}")
ETC=/etc/slurm
CONFIGURATION=(slurm.conf gres.conf cgroup.conf)
PACKAGES="slurmctld slurmd slurm-client munge"
HOST=$(hostname -s)
CLUSTER=pqgan-test
CPUS=4
GPUS=4

skip() {
    echo "skipped: $1" >&2
    exit 77
}

is_ours() { # a file of /etc/slurm
    [ "$(readlink "$ETC/$1")" = "$FOLDER/$1" ]
}

daemons() { # process numbers of its daemons: all write to its log files
    { find /proc/[0-9]*/fd -lname "$FOLDER/*" 2>/dev/null || true; } | cut -d/ -f3 | sort -u
}

is_running() { # a daemon
    local pid
    for pid in $(daemons); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$1" ] || return 0
    done
    return 1
}
