#!/bin/sh
echo "Type; CLOSE SOCKET ends."
exec socat STDIO "TCP:$1:$2"
