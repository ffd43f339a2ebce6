#!/bin/sh
what=$1 group=$2 port=$3
case "$what" in
hear) exec socat -u "UDP4-RECV:$port,reuseaddr" STDOUT ;;
say)  exec socat -u STDIN "UDP4-DATAGRAM:$group:$port,ip-multicast-ttl=1" ;;
*)    echo "group.sh hear|say GROUP PORT"; exit 2 ;;
esac
