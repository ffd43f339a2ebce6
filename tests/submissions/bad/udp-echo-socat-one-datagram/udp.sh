#!/bin/sh
# UDP echo
socat -b 65536 -T 2 "UDP4-RECVFROM:$1,reuseaddr" PIPE
