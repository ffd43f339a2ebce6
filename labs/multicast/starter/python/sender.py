#!/usr/bin/env python3
"""multicast sender: sends each line that you type to a group.

    python3 sender.py GROUP PORT

Each gap(...) below is yours: put code in its place that does what it says.
The names after the words are the variables it needs.
"""
import socket
import sys


def gap(number, what, *_uses):
    """Stands where your code is missing. What it returns here, yours must give."""
    sys.exit(f"gap {number} is open: {what}")


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: python3 sender.py GROUP PORT")
    group, port = sys.argv[1], int(sys.argv[2])

    sock = gap(1, "a UDP socket whose datagrams stay on this network (IP_MULTICAST_TTL 1)")

    for line in sys.stdin:
        message = line.rstrip("\n").encode()
        gap(2, "send the message to the group: one sendto, however many receive", sock, message, (group, port))


if __name__ == "__main__":
    main()
