"""What runs as the agent of test machines: HTTP on the port that it is given.

``POST /`` runs the body as a shell command and answers its output; ``GET /N``
answers N bytes; ``POST /upload`` answers the length and hash of what was sent.
``half-close`` on the next port answers the number of bytes once the caller ended.
"""

import hashlib
import http.server
import signal
import socket
import subprocess
import sys
import threading

CHUNK = bytes(range(256)) * 256


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        left = int(self.path[1:] or 0)
        self.send_response(200)
        self.end_headers()
        while left > 0:
            self.wfile.write(CHUNK[:left])
            left -= len(CHUNK)

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        if self.path == "/upload":
            digest, count = hashlib.sha256(), 0
            while count < left and (data := self.rfile.read(min(1 << 16, left - count))):
                digest.update(data)
                count += len(data)
            output = f"{count} {digest.hexdigest()}".encode()
        else:
            command = self.rfile.read(left).decode()
            done = subprocess.run(
                command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
            output = done.stdout
        self.send_response(200)
        self.end_headers()
        self.wfile.write(output)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def half_close(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            caller, _ = server.accept()
            with caller:
                count = 0
                while data := caller.recv(1 << 16):
                    count += len(data)
                caller.sendall(str(count).encode())


def main() -> None:
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    port = int(sys.argv[1])
    threading.Thread(target=half_close, args=(port + 1,), daemon=True).start()
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
