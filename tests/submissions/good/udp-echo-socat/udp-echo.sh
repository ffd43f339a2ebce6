#!/bin/sh
echo "echo on udp $1"
exec socat -b 65536 -T 2 "UDP4-RECVFROM:$1,fork,reuseaddr" PIPE
