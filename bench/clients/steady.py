"""Keep-alive clients over TLS by Python's http.client: `steady.py PORT HOST CLIENTS`.

Prints {"ready": true} when each has asked some times, asks until its standard input ends, then prints what it met from then
on, and whatever failed before. It sends nothing again.
"""
import http.client
import json
import socket
import ssl
import sys
import threading
import time

port, host, clients = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
stopped = threading.Event()
lock = threading.Lock()
report = {"requests": 0, "failures": {}}
# For each client, on average.
FIRST_REQUESTS = 10


class Connection(http.client.HTTPSConnection):
    def connect(self):
        self.sock = self._context.wrap_socket(
            socket.create_connection(("127.0.0.1", port), timeout=15), server_hostname=host
        )


def work():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = Connection(host, context=context)
    while not stopped.is_set():
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            response.read()
            failure = None if response.status == 200 else f"status {response.status}"
        except (OSError, http.client.HTTPException) as error:
            failure = type(error).__name__
            connection.close()
        with lock:
            if failure is None:
                report["requests"] += 1
            else:
                report["failures"][failure] = report["failures"].get(failure, 0) + 1
        time.sleep(0.002)


threads = [threading.Thread(target=work) for _ in range(clients)]
for thread in threads:
    thread.start()
while report["requests"] + sum(report["failures"].values()) < FIRST_REQUESTS * clients:
    time.sleep(0.01)
with lock:
    report["requests"] = 0
print(json.dumps({"ready": True}), flush=True)
sys.stdin.read()
stopped.set()
for thread in threads:
    thread.join()
print(json.dumps(report), flush=True)
