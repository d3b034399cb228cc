"""A worker for the tests: answers, prints noise, refuses to end, or fails, as its configuration says."""

from __future__ import annotations

import signal
import time

from studio.core.errors import DeviceError
from studio.ipc.messages import Message
from studio.ipc.worker_link import WorkerLink, run_worker


def run(link: WorkerLink) -> None:
    print("a library prints this")
    if link.config.get("fail") == "device":
        raise DeviceError("Bus 3 is not there. Check the cable.")
    if link.config.get("fail") == "defect":
        raise ZeroDivisionError("an oversight")
    if link.config.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    link.send(Message(name="ready", values={"config": link.config}))
    for index in range(int(link.config.get("flood", 0))):
        link.send(Message(name="state", values={"index": index, "filler": "x" * 200}))
    while not link.ending or link.config.get("stubborn"):
        for message in link.wait(0.05):
            if message.name == "echo":
                link.send(Message(name="state", values=message.values))
        if link.ending:
            time.sleep(0.02)
    link.send(Message(name="state", values={"last": "words"}))


if __name__ == "__main__":
    run_worker(run)
