#!/usr/bin/env python3
"""capitalize client: sends each line that you type, and prints the reply.

    python3 client.py HOST PORT

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
        sys.exit("usage: python3 client.py HOST PORT")
    host, port = sys.argv[1], int(sys.argv[2])

    sock = gap(1, "a connection to the server", host, port)
    replies = gap(2, "the socket as a file, to read whole lines from (makefile)", sock)

    for line in sys.stdin:
        gap(3, "send the line", sock, line)
        reply = replies.readline()
        if not reply:
            break  # the server has closed: CLOSE SOCKET has no reply
        print(reply.decode(), end="", flush=True)

    gap(4, "close the connection", sock)


if __name__ == "__main__":
    main()
