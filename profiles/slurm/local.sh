#!/bin/bash
# A Slurm of one machine, for as long as a command runs: to try profiles/slurm without a cluster.
#   profiles/slurm/local.sh make run CONFIG=my.yaml DIR=my-survey
# It needs slurmctld, slurmd, the commands of Slurm and munged (Debian: slurmctld slurmd slurm-client munge),
# and in .venv: pip install '.[cluster]'. It needs no root, changes nothing outside a temporary folder, listens on
# ports that are free, and ends its daemons when the command ends. The node says that it has 64 cores,
# 1 TB and 4 GPUs, so that it takes what a profile for a cluster asks for: all of it shares the cores that there are.
# Memory and time are limited as on a cluster: a job that has more than it asked for is killed.
# There are no accounts and no accounting: without SNAKEMAKE_PROFILE the command gets profiles/slurm without
# its account, and with squeue in the place of sacct.
set -eu
[ $# -gt 0 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
for daemon in munged slurmctld slurmd sbatch; do
  PATH=$PATH:/usr/sbin command -v $daemon >/dev/null || { echo "$0: $daemon is not installed" >&2; exit 69; }
done
users_path=$PATH
PATH=$PATH:/usr/sbin

# munged gives its socket away only in folders that everybody may pass through; what is secret lies one below.
folder=$(mktemp -d /tmp/slurm-XXXXXX)
chmod 711 "$folder"
mkdir -m 711 "$folder/run"
mkdir -m 700 "$folder/secret" "$folder/state" "$folder/spool" "$folder/log" "$folder/bin" "$folder/profile"
ended() {
  code=$?
  trap - EXIT
  scancel --user="$(id -un)" 2>/dev/null
  for _ in $(seq 100); do
    [ -z "$(squeue --noheader 2>/dev/null)" ] && break  # a daemon that ends leaves its jobs alone
    sleep 0.2
  done
  for daemon in slurmd slurmctld munged; do
    pid=$(cat "$folder/run/$daemon.pid" 2>/dev/null) || continue
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  done
  [ -n "${KEEP_SLURM_LOGS:-}" ] && cp -r "$folder/log/." "$KEEP_SLURM_LOGS"
  rm -rf "$folder"
  exit $code
}
trap ended EXIT
trap : INT TERM HUP  # the command gets them too; when it has ended, so does this

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

(umask 277 && head -c 1024 /dev/urandom > "$folder/secret/munge.key")
munged --key-file="$folder/secret/munge.key" --socket="$folder/run/munge.socket" --num-threads=10 \
  --log-file="$folder/log/munged.log" --pid-file="$folder/run/munged.pid" --seed-file="$folder/secret/munge.seed"

host=$(hostname -s)
touch "$folder"/gpu{0..3}  # files in the place of devices
echo "Name=gpu File=$folder/gpu[0-3]" > "$folder/gres.conf"
cat > "$folder/slurm.conf" <<CONF
ClusterName=local
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$(port)
SlurmdPort=$(port)
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MinJobAge=3600
KillWait=5
ReturnToService=2
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=64 RealMemory=1000000 Gres=gpu:4 State=UNKNOWN
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$folder/slurm.conf
slurmctld -i
slurmd
for _ in $(seq 150); do
  [ "$(sinfo --noheader --partition=cpu --format=%t 2>/dev/null)" = idle ] && break
  sleep 0.2
done
[ "$(sinfo --noheader --partition=cpu --format=%t)" = idle ] || { tail "$folder"/log/*.log >&2; exit 70; }

# The executor takes SLURM_CONF, as all variables of Slurm, out of the environment of the srun that it calls.
# A job does not end with a run on the same machine: the node stands for another one.
printf '#!/bin/sh\nexec env -u PIPELINE_RUN SLURM_CONF=%s %s "$@"\n' "$SLURM_CONF" "$(command -v srun)" \
  > "$folder/bin/srun"
chmod 700 "$folder/bin/srun"

if [ -z "${SNAKEMAKE_PROFILE:-}" ]; then
  sed '/slurm_account/d' "$(dirname "$0")/profile.yaml" > "$folder/profile/profile.yaml"
  echo 'slurm-status-command: squeue' >> "$folder/profile/profile.yaml"
  export SNAKEMAKE_PROFILE=$folder/profile
fi
PATH=$folder/bin:$users_path "$@"
