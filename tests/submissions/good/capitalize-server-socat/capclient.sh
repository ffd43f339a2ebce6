#!/bin/sh
echo "Type; CLOSE SOCKET ends."
exec nc -N "$1" "$2"
