#!/bin/sh
exec socat "TCP-LISTEN:$1,fork,reuseaddr" EXEC:"tr '[:lower:]' '[:upper:]'"
