#!/usr/bin/env bash
# Apache Kafka in its official image, with users and access rules from the first start on. The image's own entry point
# formats without users, so this formats with them. Passwords come from the environment (KAFKA_*_PASSWORD); the rules
# (who may write and read which topic) are added by the `prepare` job, from the one table in common/topics.py.
set -euo pipefail
home=${KAFKA_HOME:-/opt/kafka}
data=${KAFKA_DATA:-/var/lib/kafka/data}
settings=$(mktemp)
chmod 600 "$settings"
host=${KAFKA_HOST:-kafka}
port=${KAFKA_PORT:-9092}
controller=${KAFKA_CONTROLLER_PORT:-9093}

cat > "$settings" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:$controller
listeners=SASL_PLAINTEXT://:$port,CONTROLLER://localhost:$controller
advertised.listeners=SASL_PLAINTEXT://$host:$port
listener.security.protocol.map=SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
inter.broker.listener.name=SASL_PLAINTEXT
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.mechanism.controller.protocol=PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="controller" password="$KAFKA_CONTROLLER_PASSWORD" user_controller="$KAFKA_CONTROLLER_PASSWORD";
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="$KAFKA_ADMIN_PASSWORD";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:controller
allow.everyone.if.no.acl.found=false
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes=4194304
log.dirs=$data
END

users=(--add-scram "SCRAM-SHA-512=[name=admin,password=$KAFKA_ADMIN_PASSWORD]")
for user in observer differ planner approver executor auditor upstream; do
  variable=KAFKA_${user^^}_PASSWORD
  users+=(--add-scram "SCRAM-SHA-512=[name=$user,password=${!variable:?is not set}]")
done
"$home/bin/kafka-storage.sh" format --ignore-formatted --config "$settings" --cluster-id "$KAFKA_CLUSTER_ID" "${users[@]}"
exec "$home/bin/kafka-server-start.sh" "$settings"
