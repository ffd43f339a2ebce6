#!/bin/sh
if [ "$1" = each ]; then
    while read -r words; do
        echo "the shell heard: $words"
    done
    exit
fi
exec ncat -l -k -m 12 -e "/bin/sh mt.sh each" 127.0.0.1 "$1"
