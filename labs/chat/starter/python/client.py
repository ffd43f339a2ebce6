#!/usr/bin/env python3
"""chat client: sends what you type, and shows what others say.

    python3 client.py USERNAME HOST PORT

Each gap(...) below is yours: put code in its place that does what it says.
The names after the words are the variables it needs.
"""
import os
import socket
import sys
import threading


def gap(number, what, *_uses):
    """Stands where your code is missing. What it returns here, yours must give."""
    sys.exit(f"gap {number} is open: {what}")


def save_file(lines, name, size, folder):
    """A download: exactly so many bytes, into a folder named after the user."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, os.path.basename(name))
    gap(4, "read exactly size bytes and write them to the path", lines, path, size)
    print(f"saved {path}, {size} bytes", flush=True)


def receive(sock, user):
    """The second thread: shows what comes while you type."""
    lines = sock.makefile("rb")
    for line in lines:
        if gap(3, "is this line the beginning of a file?", line):
            name, size = gap(5, "the file's name and size, from that line", line)
            save_file(lines, name, size, user)
        else:
            print(line.decode(errors="replace"), end="", flush=True)
    print("error: the server has closed the connection", file=sys.stderr, flush=True)
    os._exit(1)  # sys.exit would end this thread alone


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: python3 client.py USERNAME HOST PORT")
    user, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])

    sock = gap(1, "a connection to the server; if there is none, say which was tried and exit 1", host, port)
    gap(2, "send the name, as a line", sock, user)
    threading.Thread(target=receive, args=(sock, user), daemon=True).start()

    for line in sys.stdin:
        sock.sendall(line.encode())
        if line.strip() == "/quit":
            break
    sock.close()


if __name__ == "__main__":
    main()
