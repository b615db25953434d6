"""`python -m cli.stack`: what the Makefile (kafka, fetch-kafka) and deployments (prepare) run."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from cli.stack import kafka, realm
from cli.stack.errors import StackError
from cli.stack.kafka import Kafka
from cli.stack.permissions import USERS
from cli.stack.prepare import prepare
from cli.stack.signals import orderly_exit
from cli.stack.stack import KAFKA_PROJECT

FOLDER = Path(".trueup") / "kafka"
REALM = "demo"
PORT = 9092


def fetch_kafka() -> None:
    """Have the jars, so that a test run does not spend its own time on the download."""
    print(f"Apache Kafka: {kafka.fetch(KAFKA_PROJECT)}", flush=True)


def run_kafka(port: int) -> None:
    """Run in the foreground until Ctrl-C, with the topics and access rules of the realm `demo`."""
    print("Starting Apache Kafka (the first time its 54 MB are fetched) ...", flush=True)
    with orderly_exit(), Kafka(FOLDER, KAFKA_PROJECT, USERS, port=port) as running:
        realm.prepare_bus(running, REALM)
        print(f"Apache Kafka listens on {running.address} (SASL_PLAINTEXT, SCRAM-SHA-512).")
        print(f"Users {', '.join(USERS)} and admin; passwords in {FOLDER / 'passwords.json'}.")
        print(f"Topics and rules of realm {REALM} are there. Log: {running.log}. Ctrl-C ends it.", flush=True)
        while running.alive():
            time.sleep(1)
        raise StackError("kafka_ended", "Apache Kafka ended by itself.", f"Its log is {running.log}.")


def main(arguments: list[str]) -> None:
    match arguments:
        case ["kafka", *rest]:
            run_kafka(int(rest[0]) if rest else PORT)
        case ["fetch-kafka"]:
            fetch_kafka()
        case ["prepare"]:
            print(prepare(), flush=True)
        case _:
            sys.exit("usage: python -m cli.stack kafka [PORT] | fetch-kafka | prepare")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except StackError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Apache Kafka is stopped.")
