#!/bin/sh
# nc -v says who connects, -k goes on after the first one
PORT=${1:-5001}
echo "Server up on port $PORT"
while true; do
    nc -n -v -l -k 127.0.0.1 "$PORT" < /dev/null
    sleep 1
done
