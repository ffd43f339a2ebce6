import argparse
import socket

arguments = argparse.ArgumentParser()
arguments.add_argument("--host")
arguments.add_argument("--port", type=int)
options = arguments.parse_args()

SENTENCES = ["hello there", "how are you today?"]

with socket.create_connection((options.host, options.port)) as sock, sock.makefile("rw", newline="\n") as io:
    for sentence in SENTENCES:
        print("sending  ", sentence)
        io.write(sentence + "\n")
        io.flush()
        print("received ", io.readline().strip())
    io.write("CLOSE SOCKET\n")
    io.flush()
