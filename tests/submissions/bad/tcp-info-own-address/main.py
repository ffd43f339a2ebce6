import argparse
import logging
import socket
import threading

logging.basicConfig(level=logging.DEBUG, format="%(asctime)s [%(levelname)s] %(threadName)s: %(message)s")
log = logging.getLogger("info")


class Handler(threading.Thread):
    def __init__(self, conn, peer):
        super().__init__(daemon=True)
        self.conn = conn
        self.peer = peer

    def run(self):
        ip, _ = self.conn.getsockname()
        port = self.peer[1]
        log.info("connection accepted")
        log.info("  client ip   = %s", ip)
        log.info("  client port = %s", port)
        log.debug("  handled by  = %s", self.name)
        try:
            self.conn.send(b"Hello and goodbye\n")
            while self.conn.recv(512):
                pass
        except OSError as exc:
            log.warning("client error %r", exc)
        finally:
            self.conn.close()
            log.info("connection closed")


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--port", type=int, default=5001)
    srv = socket.create_server(("", ap.parse_args().port))
    log.info("socket created, bound and listening")
    while True:
        Handler(*srv.accept()).start()
