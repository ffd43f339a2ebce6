#!/bin/sh
echo "loading the configuration, please wait ..."
sleep 3
exec python3 echo.py "$1"
