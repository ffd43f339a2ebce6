#!/bin/sh
case "$1" in
server)
    exec socat -t 20 "TCP-LISTEN:$2,fork,reuseaddr,backlog=64" EXEC:cat
    ;;
client)
    # -N: half-close when the keyboard ends; -v: say what went wrong
    exec nc -v -N "$2" "$3"
    ;;
*)
    echo "usage: $0 server PORT | client HOST PORT" >&2
    exit 2
    ;;
esac
