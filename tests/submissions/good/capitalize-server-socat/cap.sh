#!/bin/sh
case "$1" in
--session)
    while IFS= read -r line; do
        case "$line" in
        *"CLOSE SOCKET"*) exit 0 ;;
        esac
        printf '%s\n' "$line" | tr '[:lower:]' '[:upper:]'
    done
    ;;
*)
    exec socat "TCP-LISTEN:$1,fork,reuseaddr" EXEC:"sh cap.sh --session"
    ;;
esac
