import multiprocessing
import os
import signal
import socket
import sys


def serve(conn, addr):
    print("process", os.getpid(), "serves", addr, flush=True)
    try:
        while (msg := conn.recv(2048)) != b"":
            conn.sendall(("pid %d got %r\n" % (os.getpid(), msg.decode("utf-8", "replace").strip())).encode())
    except OSError as e:
        print("process", os.getpid(), e, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    multiprocessing.set_start_method("fork")
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as listener:
        while True:
            conn, addr = listener.accept()
            multiprocessing.Process(target=serve, args=(conn, addr), daemon=True).start()
            conn.close()
