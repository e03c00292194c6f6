#!/bin/sh
# A Spark standalone cluster on one machine: one master and two workers, from the pyspark package.
#
#   sh cluster.sh start [FOLDER]    then: export PYSPARK_SUBMIT_ARGS="--master spark://127.0.0.1:7077 pyspark-shell"
#   sh cluster.sh stop [FOLDER]
#
# FOLDER (default: ./spark-cluster) takes process ids, logs and the workers' scratch files.
# Settings, by environment: PYTHON (the Python that has pyspark and perennial), WORKERS (2), CORES (1)
# and MEMORY (4g) of each worker, HOST (127.0.0.1), SPARK_PORT (7077).
set -eu

does=${1:?start or stop}
folder=${2:-spark-cluster}
python=${PYTHON:-python3}
host=${HOST:-127.0.0.1}
port=${SPARK_PORT:-7077}
master="spark://$host:$port"

stop() {
    for file in "$folder"/*.pid; do
        [ -f "$file" ] || continue
        kill "$(cat "$file")" 2>/dev/null || true
        rm -f "$file"
    done
}

launch() {  # NAME CLASS ARGUMENT ...: a Java process of Spark in the background
    name=$1
    shift
    nohup "$SPARK_HOME/bin/spark-class" "$@" >"$folder/$name.log" 2>&1 &
    echo $! >"$folder/$name.pid"
}

await() {  # TEXT FILE: until a log says it, at most a minute
    tries=0
    until grep -q "$1" "$2" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -le 240 ] || { echo "cluster.sh: $2 does not say: $1" >&2; stop; exit 1; }
        sleep 0.25
    done
}

case $does in
start)
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    SPARK_HOME=$("$python" -c 'import pyspark; print(list(pyspark.__path__)[0])')
    PYSPARK_PYTHON=$("$python" -c 'import sys; print(sys.executable)')
    SPARK_LOCAL_IP=$host
    export SPARK_HOME PYSPARK_PYTHON SPARK_LOCAL_IP
    launch master org.apache.spark.deploy.master.Master --host "$host" --port "$port" --webui-port 0
    await "New state: ALIVE" "$folder/master.log"
    number=1
    while [ "$number" -le "${WORKERS:-2}" ]; do
        launch "worker-$number" org.apache.spark.deploy.worker.Worker \
            --host "$host" --cores "${CORES:-1}" --memory "${MEMORY:-4g}" --webui-port 0 \
            --work-dir "$folder/work-$number" "$master"
        await "Successfully registered" "$folder/worker-$number.log"
        number=$((number + 1))
    done
    echo "$master"
    ;;
stop)
    stop
    ;;
*)
    echo "cluster.sh: start or stop, not $does" >&2
    exit 2
    ;;
esac
