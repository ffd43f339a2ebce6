import socket
import sys
import threading

client = None


def reply(message):
    client.sendall(b"Echo from thread %d: %s\n" % (threading.get_ident(), message))


def serve(sock):
    while True:
        try:
            message = sock.recv(1024)
            if not message:
                break
            reply(message.strip())
        except OSError as e:
            print(e)
            break
    sock.close()


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("0.0.0.0", int(sys.argv[1])))
listener.listen(30)
while True:
    client, address = listener.accept()
    threading.Thread(target=serve, args=(client,), daemon=True).start()
