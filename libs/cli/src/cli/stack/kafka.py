"""Apache Kafka in KRaft mode without Docker: the jars that Maven fetches, one node, users and access rules.

Every connection logs in with SCRAM-SHA-512, the controller's with its own password, and whoever has no rule
is refused. The heap is bounded and the second compiler is off: here a quick start matters more than the last
third of the throughput.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cli.stack import children, cluster, ports
from cli.stack.children import Child
from cli.stack.cluster import Credentials
from cli.stack.errors import StackError
from cli.stack.secretfiles import Passwords, write_private

ADMIN = "admin"
CONTROLLER = "controller"
START_TIMEOUT_S = 90.0
FETCH_TIMEOUT_S = 600.0
PORT_ATTEMPTS = 3
JVM = (
    "-Xms128m",
    "-Xmx400m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
LOG_SETTINGS = """\
appenders=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %c{1} %m%n
rootLogger.level=WARN
rootLogger.appenderRef.console.ref=console
logger.server.name=kafka.server
logger.server.level=INFO
logger.authorizer.name=kafka.authorizer.logger
logger.authorizer.level=INFO
"""


def missing_tools() -> list[str]:
    """Which of `java` and `mvn` are not there; Kafka needs both, Maven only until the jars are fetched."""
    return [tool for tool in ("java", "mvn") if shutil.which(tool) is None]


def fetch(project: Path) -> Path:
    """Maven's copy of the jars that `project`/pom.xml pins; fetched when missing or when the pom changed."""
    library = project / "lib"
    pom = project / "pom.xml"
    stamp = library / ".pom"
    if stamp.exists() and stamp.read_bytes() == pom.read_bytes():
        return library
    maven = _tool("mvn", "fetch Apache Kafka from Maven Central")
    shutil.rmtree(library, ignore_errors=True)
    child = children.spawn(
        "maven",
        [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"],
        log=project / "target" / "fetch.log",
        cwd=project,
        environment=children.base_environment(),
        die_with=signal.SIGKILL,
    )
    ended = child.wait_gone(FETCH_TIMEOUT_S)
    if not ended or child.popen is None or child.popen.returncode != 0:
        child.stop([])
        raise StackError(
            "kafka_not_fetched",
            f"Maven could not fetch Apache Kafka:\n{child.log_tail()}\n",
            "Check that Maven reaches a repository (~/.m2/settings.xml) and try again.",
        )
    stamp.write_bytes(pom.read_bytes())
    return library


def _tool(name: str, purpose: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise StackError(
            f"{name}_missing",
            f"`{name}` is not installed; it is needed to {purpose}.",
            "Install Java 17 and Maven (Debian: openjdk-17-jre-headless, maven), or use the embedded broker.",
        )
    return found


class Kafka:
    """One broker over `folder` (data, log, passwords), with the jars of `project` (the folder of pom.xml).

    The users are `users` and `admin`; what they may do is added per realm by `cluster.allow`. `address` stays
    the same over `restart`, and so does what was written.
    """

    kind = "kafka"

    def __init__(
        self,
        folder: Path,
        project: Path,
        users: Sequence[str],
        *,
        port: int | None = None,
        detached: bool = False,
    ) -> None:
        self.folder = folder.resolve()
        self.child: Child | None = None
        self.cluster_id = ""
        self.port = port or 0
        self._project = project.resolve()
        self._users = tuple(users)
        self._asked_port = port
        self._controller_port = 0
        self._detached = detached
        self._passwords = Passwords(self.folder / "passwords.json")

    @property
    def address(self) -> str:
        return f"{ports.HOST}:{self.port}"

    def credentials(self, user: str) -> Credentials:
        """How `user`, one of the users or `admin`, logs in."""
        return Credentials(user, self._passwords(user))

    @property
    def log(self) -> Path:
        return self.folder / "kafka.log"

    def alive(self) -> bool:
        return self.child is not None and self.child.alive()

    def start(self) -> Self:
        """Return when the broker answers a metadata request of its administrator."""
        java = _tool("java", "run Apache Kafka")
        library = fetch(self._project)
        self.folder.mkdir(parents=True, exist_ok=True)
        asked = self._asked_port
        for attempt in range(1, PORT_ATTEMPTS + 1):
            self.port = ports.claim(asked, "Apache Kafka") if asked else ports.free_port()
            self._controller_port = ports.free_port()
            self._configure()
            self._format(java, library)
            try:
                self._start_on_port(java, library)
            except StackError:
                taken = self.child is not None and "already in use" in self.child.log_tail(40)
                self.stop()
                if taken and asked is None and attempt < PORT_ATTEMPTS:
                    continue
                raise
            return self
        raise AssertionError("unreachable: the last attempt returns or raises")

    def restart(self) -> None:
        """Stop and start on the same port, with everything that was written."""
        self.stop()
        ports.claim(self.port, "Apache Kafka")
        self._start_on_port(_tool("java", "run Apache Kafka"), fetch(self._project))

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop([(signal.SIGTERM, 30.0)])
            self.child = None

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self.child is not None:
            self.child.stop([])
            self.child = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_on_port(self, java: str, library: Path) -> None:
        self.child = self._java("kafka", java, library, ["kafka.Kafka", str(self._settings_file)], log=self.log)
        children.wait_until(self.child, self._ready, START_TIMEOUT_S)

    def _ready(self) -> bool:
        if ports.is_free(self.port):
            return False
        self.cluster_id = cluster.id_of(self.address, self.credentials(ADMIN)) or ""
        return self.cluster_id != ""

    def _java(self, name: str, java: str, library: Path, main: Sequence[str], log: Path) -> Child:
        options = [*JVM, f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"]
        return children.spawn(
            name,
            [java, *options, "-cp", str(library / "*"), *main],
            log=log,
            cwd=self.folder,
            environment=children.base_environment(),
            die_with=None if self._detached else signal.SIGKILL,
        )

    @property
    def _settings_file(self) -> Path:
        return self.folder / "server.properties"

    def _configure(self) -> None:
        (self.folder / "log4j2.properties").write_text(LOG_SETTINGS, "utf-8")
        settings = {**self._listeners(), **self._logins(), **self._limits()}
        write_private(self._settings_file, "".join(f"{key}={value}\n" for key, value in settings.items()))

    def _listeners(self) -> dict[str, str]:
        controller = f"{ports.HOST}:{self._controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"SASL_PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"SASL_PLAINTEXT://{self.address}",
            "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
            "inter.broker.listener.name": "SASL_PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
        }

    def _logins(self) -> dict[str, str]:
        """The controller can't use SCRAM, whose users it stores itself; it has PLAIN, on loopback only."""
        admin, controller = self._passwords(ADMIN), self._passwords(CONTROLLER)
        plain = f'{PLAIN} username="{CONTROLLER}" password="{controller}" user_{CONTROLLER}="{controller}";'
        return {
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.controller.plain.sasl.jaas.config": plain,
            "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": (
                f'{SCRAM} username="{ADMIN}" password="{admin}";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN};User:{CONTROLLER}",
            "allow.everyone.if.no.acl.found": "false",
        }

    def _limits(self) -> dict[str, str]:
        return {
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "8",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "message.max.bytes": str(4 * 1024 * 1024),
            # a broker that was killed is let in again when its old session is over: by default 9 s
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
        }

    def _format(self, java: str, library: Path) -> None:
        """Write the cluster id and the users into an empty data folder; a formatted one is left alone."""
        data = self.folder / "data"
        if (data / "bootstrap.checkpoint").exists():
            return
        shutil.rmtree(data, ignore_errors=True)
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        main = ["kafka.tools.StorageTool", "format", "--config", str(self._settings_file)]
        main += [f"--cluster-id={identity}"]  # it may begin with a hyphen, which would be read as an option
        for user in (ADMIN, *self._users):
            main += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={self._passwords(user)}]"]
        # the JVM reads its command line from a private file, so that `ps` shows no password
        arguments = self.folder / f"format-{os.getpid()}.args"
        write_private(arguments, "\n".join(f'"{part}"' for part in ["-cp", f"{library}/*", *main]))
        log = self.folder / "format.log"
        try:
            child = children.spawn(
                "format",
                [java, *JVM, f"@{arguments}"],
                log=log,
                cwd=self.folder,
                environment=children.base_environment(),
                die_with=signal.SIGKILL,
            )
            ended = child.wait_gone(START_TIMEOUT_S)
        finally:
            arguments.unlink(missing_ok=True)
        if not ended or child.popen is None or child.popen.returncode != 0:
            child.stop([])
            shutil.rmtree(data, ignore_errors=True)
            raise StackError(
                "kafka_format_failed",
                f"Kafka's StorageTool could not prepare {data}:\n{child.log_tail()}\n",
                f"The whole log is {log}.",
            )
