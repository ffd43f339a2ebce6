#!/bin/sh
# mt.sh PORT      the server
# mt.sh --client  what runs for each client
if [ "$1" = "--client" ]; then
    while IFS= read -r line; do
        printf 'shell %s says: %s\n' "$$" "$line"
    done
    exit 0
fi
exec socat "TCP-LISTEN:${1:-5009},fork,reuseaddr,backlog=64" EXEC:"sh mt.sh --client"
