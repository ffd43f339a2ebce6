#!/bin/sh
# radio.sh PORT           listen
# radio.sh PORT ADDRESS   speak to all at ADDRESS
if [ $# -eq 1 ]; then
    echo "listening on $1"
    exec socat -u "UDP4-RECV:$1,reuseaddr" STDOUT
fi
echo "speak, line by line"
exec socat -u STDIN "UDP4-DATAGRAM:$2:$1,broadcast"
