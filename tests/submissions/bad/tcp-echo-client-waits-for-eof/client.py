import socket
import sys

text = "Hello from the echo client, how are you today?"

try:
    sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
except OSError as err:
    sys.exit(f"cannot connect: {err}")

sock.sendall(text.encode())
while True:
    piece = sock.recv(1024)
    if not piece:
        break
    print("received", piece.decode(), flush=True)
sock.close()
print("done")
