#!/bin/sh
# A cluster of one machine for tests: this file under the names sbatch, squeue, scancel, scontrol and sinfo.
# Its state is in $FAKE_SLURM: one file for each task of an array, and files that ask for faults:
#   silent   no program gets an answer                  refuse   sbatch is refused
#   lose     the first task's node fails at once        requeue  the first task is killed and started again
#   cut      the first task's node is only cut off      oom      the first task is killed for its memory
F=$FAKE_SLURM
name=$(basename "$0")
echo "$name $*" >> "$F/calls"
if [ "$name" != task ] && [ -e "$F/silent" ]; then
    echo "silent $name" >> "$F/calls"
    echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2
    exit 1
fi
tasks() { ls "$F" | sed -n 's/^\([0-9]*_[0-9]*\)\.state$/\1/p'; }
put() { echo "$2" > "$F/.$1.$$" && mv "$F/.$1.$$" "$F/$1.state"; }
# Until its worker has begun.
claimed() { while ! [ -e "$(dirname "$1")/$2.claim.json" ]; do sleep 0.01; done; }
case $name in
sbatch)
    if [ -e "$F/refuse" ]; then
        echo "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified" >&2
        exit 1
    fi
    for argument; do
        case $argument in
        --array=*) array=${argument#--array=} ;;
        --output=*) output=${argument#--output=} ;;
        esac
        script=$argument
    done
    id=1
    while ! mkdir "$F/job-$id" 2> /dev/null; do id=$((id + 1)); done
    for index in $(echo "$array" | tr , ' '); do
        fault=none
        for wanted in lose requeue cut oom; do
            # Asked for once.
            if rm "$F/$wanted" 2> /dev/null; then fault=$wanted; break; fi
        done
        echo "$script" > "$F/${id}_$index.script"
        put "${id}_$index" RUNNING
        setsid sh "$F/bin/task" "$id" "$index" "$script" "$(echo "$output" | sed "s/%a/$index/")" "$fault" \
            < /dev/null > /dev/null 2>&1 &
        echo $! > "$F/${id}_$index.pid"
    done
    echo "$id"
    ;;
task)
    export SLURM_ARRAY_JOB_ID="$1" SLURM_ARRAY_TASK_ID="$2" SLURMD_NODENAME=fake
    if [ "$5" = lose ]; then
        put "$1_$2" NODE_FAIL
        exit
    fi
    setsid sh "$3" > "$4" 2>&1 &
    worker=$!
    trap 'kill -s TERM -- "-$worker"; wait $worker' TERM
    case $5 in
    requeue)
        claimed "$3" "$2"
        kill -s KILL -- "-$worker" && echo "killed" >> "$F/calls"
        wait $worker
        SLURM_RESTART_COUNT=1 sh "$3" >> "$4" 2>&1
        ;;
    cut)
        claimed "$3" "$2"
        put "$1_$2" NODE_FAIL
        wait $worker
        exit
        ;;
    oom)
        claimed "$3" "$2"
        kill -s KILL -- "-$worker" && echo "killed" >> "$F/calls"
        wait $worker
        echo "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=$1.batch" >> "$4"
        put "$1_$2" OUT_OF_MEMORY
        exit
        ;;
    *) wait $worker ;;
    esac
    if [ "$(cat "$F/$1_$2.state")" = RUNNING ]; then put "$1_$2" COMPLETED; fi
    ;;
squeue)
    for task in $(tasks); do
        echo "${task%_*}|${task#*_}|$(cat "$F/$task.state")|None|$(cat "$F/$task.script")"
    done
    ;;
scontrol)
    for task; do :; done
    state=$(cat "$F/$task.state") && echo "JobId=1 JobState=$state Reason=None ExitCode=0:9 NodeList=fake Command=$(cat "$F/$task.script")"
    ;;
scancel)
    for task; do
        if [ "$(cat "$F/$task.state")" = RUNNING ]; then
            put "$task" CANCELLED
            kill -s TERM "$(cat "$F/$task.pid")"
        fi
    done
    ;;
sinfo) echo '2|4000' ;;
esac
