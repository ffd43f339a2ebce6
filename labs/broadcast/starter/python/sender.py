#!/usr/bin/env python3
"""broadcast sender: sends each line that you type to everyone.

    python3 sender.py ADDRESS PORT

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
        sys.exit("usage: python3 sender.py ADDRESS PORT")
    address, port = sys.argv[1], int(sys.argv[2])  # such as 192.168.1.255, or 255.255.255.255

    sock = gap(1, "a UDP socket that may send broadcasts (setsockopt SO_BROADCAST)")

    for line in sys.stdin:
        message = line.rstrip("\n").encode()
        gap(2, "send the message to the broadcast address (sendto)", sock, message, (address, port))


if __name__ == "__main__":
    main()
