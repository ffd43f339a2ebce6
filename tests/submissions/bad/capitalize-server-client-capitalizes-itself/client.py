import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
    sock.connect((sys.argv[1], int(sys.argv[2])))
    print("connected, type your sentences")
    for line in sys.stdin:
        sock.sendall(line.upper().encode())
        if line.strip() == "CLOSE SOCKET":
            break
        answer = sock.recv(4096)
        if not answer:
            break
        print("answer:", answer.decode().strip())
