#!/bin/sh
echo "waiting on port $1"
nc -n -v -l 0.0.0.0 "$1" < /dev/null
echo "done"
