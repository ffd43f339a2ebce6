#!/bin/sh
PORT=${1:?usage: echo.sh PORT}
echo "echo server on port $PORT"
socat -t 20 TCP-LISTEN:"$PORT",reuseaddr EXEC:cat
echo "echo server stopped"
